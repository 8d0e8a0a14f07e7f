// `weir sql`: queries over Delta tables, with Spark's SQL dialect and answers.
#pragma once

namespace weir::app {

int run_sql(int argc, char** argv);

}  // namespace weir::app
