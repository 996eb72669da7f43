# SPDX-License-Identifier: Apache-2.0
# Third-party code as imported targets deps::NAME, all with system headers.
# What scripts/setup unpacked is preferred; else the system's own package is used.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(deps_root "${ROOST_DEPS_DIR}/root/usr")
set(deps_lib_dirs "${deps_root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" "${deps_root}/lib")
set(ROOST_PROTO_DIR "${ROOST_DEPS_DIR}/share")

if(NOT EXISTS "${ROOST_DEPS_DIR}/stamp")
    message(FATAL_ERROR "third-party files are missing: run scripts/setup first")
endif()

# A Debian package found through pkg-config: deps_pkg(NAME MODULE).
function(deps_pkg name module)
    pkg_check_modules(${name} REQUIRED QUIET IMPORTED_TARGET GLOBAL ${module})
    add_library(deps::${name} ALIAS PkgConfig::${name})
endfunction()

# A package that may live in build/deps: deps_private(NAME HEADER LIBRARY...).
function(deps_private name header)
    find_path(${name}_include NAMES ${header} HINTS "${deps_root}/include" REQUIRED)
    find_library(${name}_library NAMES ${ARGN} NAMES_PER_DIR HINTS ${deps_lib_dirs} REQUIRED)
    mark_as_advanced(${name}_include ${name}_library)
    add_library(deps_${name} INTERFACE)
    if(NOT ${name}_include STREQUAL "/usr/include")
        target_include_directories(deps_${name} SYSTEM INTERFACE "${${name}_include}")
    endif()
    target_link_libraries(deps_${name} INTERFACE "${${name}_library}")
    add_library(deps::${name} ALIAS deps_${name})
endfunction()

deps_pkg(uv libuv)
deps_pkg(yaml yaml-0.1)
deps_pkg(zlib zlib)
deps_pkg(hwloc hwloc)
deps_pkg(protobuf_c libprotobuf-c)
deps_pkg(crypto libcrypto)
deps_pkg(seccomp libseccomp)
if(ROOST_TESTS)
    deps_pkg(cmocka cmocka)
endif()
deps_private(llhttp llhttp.h libllhttp.a llhttp)
deps_private(yyjson yyjson.h yyjson)

# ONNX Runtime is opened at run time, so this target carries headers and the
# list of places to look for the library: the build's, an installation's
# (dlopen expands $ORIGIN), the system's.
find_path(ort_include NAMES onnxruntime_c_api.h
    HINTS "${deps_root}/include/onnxruntime" "/usr/include/onnxruntime" REQUIRED)
mark_as_advanced(ort_include)
add_library(deps_ort_headers INTERFACE)
target_include_directories(deps_ort_headers SYSTEM INTERFACE "${ort_include}")
set(ort_paths "$ORIGIN/../lib/roost/libonnxruntime.so.1")
string(APPEND ort_paths ":${ROOST_DEPS_DIR}/lib/libonnxruntime.so.1:libonnxruntime.so.1")
target_compile_definitions(deps_ort_headers INTERFACE "ROOST_ORT_LIBRARY_PATHS=\"${ort_paths}\"")
target_link_libraries(deps_ort_headers INTERFACE ${CMAKE_DL_LIBS})
add_library(deps::ort_headers ALIAS deps_ort_headers)

# Shared libraries of build/deps are found by the binaries that use them.
set(CMAKE_BUILD_RPATH ${deps_lib_dirs})
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib/roost")
find_program(PROTOC_C protoc-c REQUIRED)
