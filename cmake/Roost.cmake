# SPDX-License-Identifier: Apache-2.0
# What a folder's CMakeLists.txt is made of.

# roost_lib(NAME SOURCES a.c b.c DEPS roost_base deps::uv)
# The static library roost_NAME. A library without sources carries only its DEPS.
function(roost_lib name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "roost_lib(${name}): what is ${arg_UNPARSED_ARGUMENTS}?")
    endif()
    add_library(roost_${name} STATIC ${arg_SOURCES})
    target_link_libraries(roost_${name} PRIVATE roost_flags PUBLIC ${arg_DEPS} Threads::Threads m)
    target_include_directories(roost_${name} PUBLIC
        "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}")
endfunction()

# roost_test(x_test.c LIBS roost_base [SOURCES more.c] [LABELS thread] [ARGS ...]
#            [TIMEOUT seconds] [SOAK_TIMEOUT seconds])
# A cmocka executable named after the file, run by ctest under the label "unit".
# The label "thread" marks those that ThreadSanitizer has something to say about.
# With SOAK_TIMEOUT, ctest -L soak runs it again with ROOST_SOAK=1, for which the
# test does more of the same. Exit code 77 means skipped.
function(roost_test file)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;SOAK_TIMEOUT" "LIBS;SOURCES;LABELS;ARGS")
    if(NOT ROOST_TESTS)
        return()
    endif()
    get_filename_component(name ${file} NAME_WE)
    if(TARGET ${name})
        get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
        set(name ${folder}_${name})
    endif()
    add_executable(${name} ${file} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE roost_flags ${arg_LIBS} deps::cmocka)
    add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
    roost_test_properties(${name} "${arg_TIMEOUT}" "unit;${arg_LABELS}")
    if(arg_SOAK_TIMEOUT)
        add_test(NAME ${name}_soak COMMAND ${name} ${arg_ARGS})
        roost_test_properties(${name}_soak "${arg_SOAK_TIMEOUT}" "soak" "ROOST_SOAK=1")
    endif()
endfunction()

# roost_script_test(NAME SCRIPT [ARGS ...] [LABELS ...] [TIMEOUT seconds] [SOAK_TIMEOUT seconds])
# A shell or Python script as a test, run with ROOST_BUILD naming the build folder, where
# the binary is src/cli/roost. Python scripts get the interpreter of build/venv.
function(roost_script_test name script)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "TIMEOUT;SOAK_TIMEOUT" "LABELS;ARGS")
    if(NOT ROOST_TESTS)
        return()
    endif()
    get_filename_component(script "${script}" ABSOLUTE)
    set(command "${script}" ${arg_ARGS})
    if(script MATCHES "\\.py$")
        list(PREPEND command "${CMAKE_SOURCE_DIR}/build/venv/bin/python3")
    endif()
    set(environment "ROOST_BUILD=${CMAKE_BINARY_DIR}")
    add_test(NAME ${name} COMMAND ${command})
    roost_test_properties(${name} "${arg_TIMEOUT}" "script;${arg_LABELS}" ${environment})
    if(arg_SOAK_TIMEOUT)
        add_test(NAME ${name}_soak COMMAND ${command})
        roost_test_properties(${name}_soak "${arg_SOAK_TIMEOUT}" "soak" ${environment}
            "ROOST_SOAK=1")
    endif()
endfunction()

# What all tests have in common: roost_test_properties(NAME TIMEOUT LABELS [VARIABLE=VALUE...])
function(roost_test_properties name timeout labels)
    if(NOT timeout)
        set(timeout 120)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} LABELS "${labels}"
        ENVIRONMENT "${ROOST_TEST_ENVIRONMENT};${ARGN}" SKIP_RETURN_CODE 77)
endfunction()

# roost_fuzz(NAME file.c LIBS roost_net [SOURCES more.c])
# file.c defines LLVMFuzzerTestOneInput; its corpus is tests/fuzz/corpus/NAME. The
# fuzz preset makes a libFuzzer binary, every other one a program that replays the
# corpus, run by ctest under the label "fuzz-corpus".
function(roost_fuzz name file)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "LIBS;SOURCES")
    set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    if(ROOST_FUZZ)
        add_executable(${name} ${file} ${arg_SOURCES})
        target_link_libraries(${name} PRIVATE roost_flags ${arg_LIBS})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        # scripts/fuzz runs whatever it finds in this folder.
        set_target_properties(${name} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzzers")
    elseif(ROOST_TESTS)
        add_executable(${name} ${file} ${arg_SOURCES} "${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c")
        target_link_libraries(${name} PRIVATE roost_flags ${arg_LIBS})
        add_test(NAME ${name} COMMAND ${name} "${corpus}")
        roost_test_properties(${name} 120 "fuzz-corpus")
    endif()
endfunction()

# roost_protobuf_c(TARGET file.proto)
# C code of a protobuf definition, as a library whose header is "file.pb-c.h".
# Generated code is compiled without warnings and seen as a system header.
function(roost_protobuf_c target proto)
    get_filename_component(proto "${proto}" ABSOLUTE)
    get_filename_component(stem "${proto}" NAME_WE)
    get_filename_component(dir "${proto}" DIRECTORY)
    set(out "${CMAKE_CURRENT_BINARY_DIR}/${target}.gen")
    file(MAKE_DIRECTORY "${out}")
    add_custom_command(
        OUTPUT "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h"
        COMMAND ${PROTOC_C} "--proto_path=${dir}" "--c_out=${out}" "${proto}"
        DEPENDS "${proto}"
        COMMENT "Generating ${stem}.pb-c.c"
        VERBATIM)
    add_library(${target} STATIC "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h")
    target_compile_options(${target} PRIVATE -w)
    target_include_directories(${target} SYSTEM PUBLIC "${out}")
    target_link_libraries(${target} PUBLIC deps::protobuf_c)
endfunction()

# roost_bench(NAME file.c LIBS ...)
# A benchmark that prints `figure NAME VALUE BOUND ok|short` lines; it needs no arguments.
function(roost_bench name file)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "LIBS;SOURCES")
    add_executable(${name} ${file} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE roost_flags ${arg_LIBS} Threads::Threads m)
    # scripts/bench runs every program of this folder.
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
endfunction()
