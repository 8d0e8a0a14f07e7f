# find_package(weir) → weir::weir, the C++ API of include/weir. Everything that it needs lies beside
# this file; the prefix may be moved as a whole.
include(CMakeFindDependencyMacro)
find_dependency(Threads)

get_filename_component(_weir_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(_weir_lib arrow arrow_compute parquet duckdb)
  if(NOT TARGET weir::${_weir_lib})
    file(GLOB _weir_file "${_weir_prefix}/lib/lib${_weir_lib}.so*")
    add_library(weir::${_weir_lib} SHARED IMPORTED)
    set_target_properties(weir::${_weir_lib} PROPERTIES IMPORTED_LOCATION "${_weir_file}" IMPORTED_NO_SONAME OFF)
  endif()
endforeach()
set_target_properties(weir::duckdb PROPERTIES IMPORTED_NO_SONAME ON)

if(NOT TARGET weir::weir)
  add_library(weir::weir STATIC IMPORTED)
  set_target_properties(weir::weir PROPERTIES
    IMPORTED_LOCATION "${_weir_prefix}/lib/libweir.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_weir_prefix}/include"
    INTERFACE_COMPILE_FEATURES cxx_std_20
    # What is inside stays inside: Arrow's libraries have an OpenSSL and a simdjson of their own.
    INTERFACE_LINK_OPTIONS "-Wl,--exclude-libs,ALL"
    INTERFACE_LINK_LIBRARIES "weir::arrow_compute;weir::parquet;weir::arrow;weir::duckdb;Threads::Threads;${CMAKE_DL_LIBS}")
endif()
unset(_weir_prefix)
unset(_weir_file)
