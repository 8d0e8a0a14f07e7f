# What `cmake --install` puts below its prefix: bin/weir, include/weir, and lib/ with libweir.a (all
# rooms that the C++ API needs and the static libraries below them), the shared libraries that it
# loads, and a CMake package (find_package(weir), target weir::weir).
set(WEIR_API_ROOMS base io columnar kafka codec delta state plan sql eval relational source sink operators session stream
    streaming api)
set(WEIR_API_EXTERNAL simdjson pugixml rocksdb ssl crypto zstd lz4 snappy z bz2)

set(_mri "create ${CMAKE_BINARY_DIR}/libweir.a\n")
set(_archives "")
foreach(room ${WEIR_API_ROOMS})
  string(APPEND _mri "addlib $<TARGET_FILE:weir_${room}>\n")
  list(APPEND _archives weir_${room})
endforeach()
foreach(external ${WEIR_API_EXTERNAL})
  string(APPEND _mri "addlib $<TARGET_FILE:weir_ext_${external}>\n")
endforeach()
string(APPEND _mri "save\nend\n")
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/libweir.mri CONTENT "${_mri}")

# Made when it is asked for: it is as large as everything that goes into it.
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/libweir.a
  COMMAND ${CMAKE_COMMAND} -E rm -f ${CMAKE_BINARY_DIR}/libweir.a
  COMMAND ${CMAKE_AR} -M < ${CMAKE_BINARY_DIR}/libweir.mri
  COMMAND ${CMAKE_STRIP} --strip-debug ${CMAKE_BINARY_DIR}/libweir.a
  DEPENDS ${_archives} weir_ext_simdjson ${CMAKE_BINARY_DIR}/libweir.mri
  COMMENT "Gathering libweir.a" VERBATIM)
add_custom_target(weir_library DEPENDS ${CMAKE_BINARY_DIR}/libweir.a)

install(CODE "execute_process(COMMAND \"${CMAKE_COMMAND}\" --build \"${CMAKE_BINARY_DIR}\" --target weir weir_library COMMAND_ERROR_IS_FATAL ANY)")
install(PROGRAMS ${CMAKE_BINARY_DIR}/weir DESTINATION bin)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weir DESTINATION include FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/libweir.a DESTINATION lib)
install(FILES ${WEIR_PYARROW_DIR}/libarrow.so.2600 ${WEIR_PYARROW_DIR}/libarrow_compute.so.2600
              ${WEIR_PYARROW_DIR}/libparquet.so.2600 ${WEIR_DEPS_DIR}/duckdb/libduckdb.so
        DESTINATION lib PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
# The program finds them by its own place, wherever the prefix is moved to.
find_program(WEIR_PATCHELF patchelf)
if(WEIR_PATCHELF)
  install(CODE "execute_process(COMMAND \"${WEIR_PATCHELF}\" --set-rpath \"\\$ORIGIN/../lib\" \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/bin/weir\" COMMAND_ERROR_IS_FATAL ANY)")
  foreach(_lib libarrow.so.2600 libarrow_compute.so.2600 libparquet.so.2600 libduckdb.so)
    install(CODE "execute_process(COMMAND \"${WEIR_PATCHELF}\" --set-rpath \"\\$ORIGIN\" \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/${_lib}\" COMMAND_ERROR_IS_FATAL ANY)")
  endforeach()
endif()

include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/weir-config-version.cmake VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/weir-config.cmake ${CMAKE_BINARY_DIR}/weir-config-version.cmake DESTINATION lib/cmake/weir)
