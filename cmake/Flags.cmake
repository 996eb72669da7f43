# SPDX-License-Identifier: Apache-2.0
# Compiler flags of Roost's own code, as the interface target roost_flags, which
# roost_lib, roost_test and roost_fuzz link. Generated code does not use it.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# Assertions stay on in release, so NDEBUG is never defined.
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fno-omit-frame-pointer -fno-common -fstack-protector-strong)

add_library(roost_flags INTERFACE)
target_compile_options(roost_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Werror)
target_include_directories(roost_flags INTERFACE
    "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}")

if(ROOST_SANITIZE)
    add_compile_options(-fsanitize=${ROOST_SANITIZE})
    add_link_options(-fsanitize=${ROOST_SANITIZE})
    if(ROOST_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
if(ROOST_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(ROOST_LTO)
    include(CheckIPOSupported)
    check_ipo_supported(RESULT lto_works LANGUAGES C)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${lto_works})
endif()

# What every test runs with. A sanitizer's report ends the process at once, and
# ONNX Runtime, which is not instrumented, is left out of race detection.
set(ROOST_TEST_ENVIRONMENT
    "ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1\
:suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp"
    "ORT_DISABLE_TELEMETRY=1")
