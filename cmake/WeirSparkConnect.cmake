# Spark Connect's messages, generated from the descriptors inside PySpark's client, and gRPC.
#
# weir_ext_spark_connect is a library of its own that changes only with the pinned client; -O1, because its
# compile time would be most of the program's otherwise. Only the messages are generated: the server speaks gRPC's
# generic interface (src/connect/rpc_server.h), which leaves parsing and its limits to us.
find_program(WEIR_PROTOC protoc REQUIRED)
find_path(WEIR_PROTOBUF_INCLUDE google/protobuf/any.proto REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# gRPC and what it stands on, statically and in one group: pyarrow's libraries export symbols of some of them.
set(_grpc_files libgrpc++.a libgrpc.a libgpr.a libaddress_sorting.a libupb.a libprotobuf.a libre2.a libcares.a)
set(_grpc_paths "")
foreach(_file ${_grpc_files})
  string(REPLACE ".a" "_static.a" _static ${_file})  # Ubuntu's name of c-ares
  find_library(WEIR_${_file} NAMES ${_file} ${_static} REQUIRED)
  list(APPEND _grpc_paths ${WEIR_${_file}})
endforeach()
get_filename_component(_library_dir ${WEIR_libgrpc.a} DIRECTORY)
file(GLOB _absl_paths ${_library_dir}/libabsl_*.a)
list(FILTER _absl_paths EXCLUDE REGEX "absl_(flags|failure_signal|examine_stack|periodic_sampler|leak_check|log_|scoped_mock)")
find_path(WEIR_GRPC_INCLUDE grpcpp/grpcpp.h REQUIRED)
add_library(weir_ext_grpc INTERFACE)
target_link_libraries(weir_ext_grpc INTERFACE
  "$<LINK_GROUP:RESCAN,${_grpc_paths},${_absl_paths}>" weir_ext_ssl weir_ext_crypto weir_ext_z Threads::Threads ${CMAKE_DL_LIBS})
if(WEIR_FUZZ OR (WEIR_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang"))
  foreach(_path ${_grpc_paths} ${_absl_paths})
    get_filename_component(_name ${_path} NAME)
    target_link_options(weir_ext_grpc INTERFACE -Wl,--exclude-libs,${_name})
  endforeach()
endif()

set(_modules base catalog commands common expressions ml ml_common pipelines relations types)
set(_protocol ${WEIR_DEPS_DIR}/spark-protocol)
set(_out ${CMAKE_BINARY_DIR}/generated/spark_connect)
set(_descriptors ${_out}/spark_connect.fds)
set(_well_known ${_out}/well_known.fds)
set(_module_files "")
set(_protos "")
foreach(_module ${_modules})
  list(APPEND _module_files ${_protocol}/${_module}_pb2.py)
  list(APPEND _protos spark/connect/${_module}.proto)
endforeach()
list(APPEND _module_files ${_protocol}/status_pb2.py ${_protocol}/error_details_pb2.py)
list(APPEND _protos google/rpc/status.proto google/rpc/error_details.proto)
foreach(_file ${_module_files})
  if(NOT EXISTS ${_file})
    message(FATAL_ERROR "${_file} is missing; run ./dev setup")
  endif()
endforeach()
set(_sources "")
set(_headers "")
foreach(_proto ${_protos})
  string(REPLACE ".proto" ".pb" _stem ${_proto})
  list(APPEND _sources ${_out}/${_stem}.cc)
  list(APPEND _headers ${_out}/${_stem}.h)
endforeach()
file(MAKE_DIRECTORY ${_out})

add_custom_command(OUTPUT ${_sources} ${_headers}
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/connect_descriptors.py ${_descriptors} ${_module_files}
  COMMAND ${WEIR_PROTOC} --include_imports -I${WEIR_PROTOBUF_INCLUDE} -o ${_well_known} google/protobuf/any.proto google/protobuf/duration.proto google/protobuf/timestamp.proto
  COMMAND ${WEIR_PROTOC} --descriptor_set_in=${_well_known}:${_descriptors} --cpp_out=${_out} ${_protos}
  DEPENDS ${_module_files} ${PROJECT_SOURCE_DIR}/tools/connect_descriptors.py
  COMMENT "Spark Connect's messages from PySpark's client" VERBATIM)

add_library(weir_ext_spark_connect STATIC ${_sources} ${_headers})
target_include_directories(weir_ext_spark_connect SYSTEM PUBLIC ${_out} ${WEIR_PROTOBUF_INCLUDE})
target_compile_options(weir_ext_spark_connect PRIVATE -w -g0 -O1 -fvisibility=hidden)
target_link_libraries(weir_ext_spark_connect PUBLIC weir_ext_grpc)
