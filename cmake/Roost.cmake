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
#            [TIMEOUT seconds])
# A cmocka executable named after the file, run by ctest under the label "unit".
# The label "thread" marks those that ThreadSanitizer has something to say about.
function(roost_test file)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LIBS;SOURCES;LABELS;ARGS")
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
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "unit;${arg_LABELS}"
        ENVIRONMENT "${ROOST_TEST_ENVIRONMENT}" SKIP_RETURN_CODE 77)
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
        set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS "fuzz-corpus"
            ENVIRONMENT "${ROOST_TEST_ENVIRONMENT}")
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
# A program of bench/; see bench/CMakeLists.txt for how its figures are collected.
function(roost_bench name file)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "LIBS;SOURCES")
    add_executable(${name} ${file} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE roost_flags ${arg_LIBS} Threads::Threads m)
endfunction()
