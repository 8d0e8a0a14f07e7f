# Third-party libraries. The only shared libraries that the program may load are the C library's
# family, libstdc++, libgcc_s, those of pyarrow, and libduckdb; everything else is linked statically
# with hidden symbols, because pyarrow's libraries export an OpenSSL and a simdjson of their own.
set(WEIR_DEPS_DIR "$ENV{HOME}/.cache/weir/deps" CACHE PATH "What ./dev fetched: venv, duckdb, simdjson, datasketches, jars")

find_package(Threads REQUIRED)

# Arrow and Parquet out of the pyarrow wheel.
file(GLOB _pyarrow LIST_DIRECTORIES true ${WEIR_DEPS_DIR}/venv/lib/python3*/site-packages/pyarrow)
if(NOT _pyarrow)
  message(FATAL_ERROR "pyarrow is not in ${WEIR_DEPS_DIR}/venv; run ./dev setup")
endif()
set(WEIR_PYARROW_DIR ${_pyarrow} CACHE INTERNAL "")
foreach(lib arrow arrow_compute parquet)
  add_library(weir_ext_${lib} SHARED IMPORTED GLOBAL)
  set_target_properties(weir_ext_${lib} PROPERTIES
    IMPORTED_LOCATION ${_pyarrow}/lib${lib}.so.2600
    INTERFACE_INCLUDE_DIRECTORIES ${_pyarrow}/include)
endforeach()
add_library(weir_ext_arrow_all INTERFACE)
target_link_libraries(weir_ext_arrow_all INTERFACE weir_ext_arrow weir_ext_arrow_compute weir_ext_parquet)

# simdjson: one source file, built here with hidden symbols. libparquet exports a copy of its own, which the
# linker would take instead where it comes first: so ours has another namespace.
add_library(weir_ext_simdjson STATIC ${WEIR_DEPS_DIR}/simdjson/simdjson.cpp)
target_include_directories(weir_ext_simdjson SYSTEM PUBLIC ${WEIR_DEPS_DIR}/simdjson)
target_compile_definitions(weir_ext_simdjson PUBLIC simdjson=weir_simdjson)
target_compile_options(weir_ext_simdjson PRIVATE -w -fvisibility=hidden)
set_target_properties(weir_ext_simdjson PROPERTIES CXX_VISIBILITY_PRESET hidden)

# Apache DataSketches: headers alone.
add_library(weir_ext_datasketches INTERFACE)
target_include_directories(weir_ext_datasketches SYSTEM INTERFACE ${WEIR_DEPS_DIR}/datasketches)

# DuckDB's C API.
add_library(weir_ext_duckdb SHARED IMPORTED GLOBAL)
set_target_properties(weir_ext_duckdb PROPERTIES
  IMPORTED_LOCATION ${WEIR_DEPS_DIR}/duckdb/libduckdb.so
  IMPORTED_NO_SONAME ON
  INTERFACE_INCLUDE_DIRECTORIES ${WEIR_DEPS_DIR}/duckdb)

# Static system libraries.
function(weir_static_library name file)
  find_library(_${name} NAMES ${file} REQUIRED)
  add_library(weir_ext_${name} STATIC IMPORTED GLOBAL)
  set_target_properties(weir_ext_${name} PROPERTIES IMPORTED_LOCATION ${_${name}})
endfunction()
weir_static_library(crypto libcrypto.a)
weir_static_library(ssl libssl.a)
weir_static_library(zstd libzstd.a)
weir_static_library(lz4 liblz4.a)
weir_static_library(snappy libsnappy.a)
weir_static_library(z libz.a)
weir_static_library(bz2 libbz2.a)
weir_static_library(rocksdb librocksdb.a)
weir_static_library(pugixml libpugixml.a)
target_link_libraries(weir_ext_rocksdb INTERFACE weir_ext_zstd weir_ext_lz4 weir_ext_snappy weir_ext_z weir_ext_bz2
                      ${CMAKE_DL_LIBS} Threads::Threads)
target_link_libraries(weir_ext_ssl INTERFACE weir_ext_crypto)
target_link_libraries(weir_ext_crypto INTERFACE ${CMAKE_DL_LIBS} Threads::Threads)

find_package(GTest REQUIRED)
find_package(benchmark QUIET)

# Every executable hides what it links statically; but clang's sanitizers are a static library whose
# operator new and malloc the shared libraries have to see, so for them the libraries are named.
if(WEIR_FUZZ OR (WEIR_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang"))
  foreach(lib ssl crypto zstd lz4 snappy z bz2 rocksdb weir_ext_simdjson)
    add_link_options(-Wl,--exclude-libs,lib${lib}.a)  # one a time: some linkers choke on a list with colons
  endforeach()
else()
  add_link_options(-Wl,--exclude-libs,ALL)
endif()
