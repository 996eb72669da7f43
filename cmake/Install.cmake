# SPDX-License-Identifier: Apache-2.0
# What `make install` copies: the binary, the public headers, and beside it in
# lib/roost the third-party libraries that came from build/deps.

if(TARGET roost)
    install(TARGETS roost RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/roost DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES "${ROOST_DEPS_DIR}/lib/libonnxruntime.so.1" DESTINATION lib/roost)
file(GLOB private_libraries "${deps_root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}/libyyjson.so.*")
install(FILES ${private_libraries} DESTINATION lib/roost)
