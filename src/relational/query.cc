#include "relational/query.h"

#include <numeric>

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "delta/scan.h"
#include "delta/table.h"
#include "relational/aggregation.h"
#include "relational/steps.h"

namespace weir::relational {

namespace {

using columnar::Schema;
using columnar::TypeKind;

class DeltaScanStep final : public BatchStream {
 public:
  explicit DeltaScanStep(delta::Scan scan) : scan_(std::move(scan)) {}
  const Schema& schema() const override { return scan_.schema(); }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (true) {
      if (stop.stop_requested())
        return base::error(base::ErrorKind::kCancelled, "the query was cancelled");
      if (!reader_) {
        if (file_ == scan_.files().size()) return BatchPtr();
        WEIR_ASSIGN(reader_, scan_.open(file_++));
      }
      WEIR_ASSIGN(auto batch, reader_->next());
      if (batch) return batch;
      reader_.reset();
    }
  }

 private:
  delta::Scan scan_;
  std::unique_ptr<delta::FileReader> reader_;
  size_t file_ = 0;
};

class QueryBuilder {
 public:
  QueryBuilder(const plan::Query& query, const QueryEnvironment& environment, ScanReport* report)
      : query_(query),
        environment_(environment),
        report_(report),
        options_{environment.context.ansi, false, environment.context.session_zone} {}

  Result<StreamPtr> build() {
    Schema relation = Schema::structure({});
    if (query_.from) {
      WEIR_TRY(open_relation());
      relation = snapshot_->schema();
    }
    WEIR_ASSIGN(resolved_, plan::resolve_query(query_, relation, options_));
    WEIR_ASSIGN(auto stream, scan());
    if (resolved_.where) {
      WEIR_ASSIGN(stream, filter_step(std::move(stream), resolved_.where, environment_.context));
    }
    if (resolved_.grouped) {
      WEIR_ASSIGN(stream, aggregation_step(std::move(stream), resolved_, environment_.engine,
                                           environment_.context));
      if (resolved_.having) {
        WEIR_ASSIGN(stream, filter_step(std::move(stream), resolved_.having, environment_.context));
      }
    }
    WEIR_ASSIGN(stream,
                projection_step(std::move(stream), resolved_.projection, environment_.context));
    return order_and_limit(std::move(stream));
  }

 private:
  Result<void> open_relation() {
    const auto& from = *query_.from;
    if (from.provider.empty()) {
      return plan::analysis_error("TABLE_OR_VIEW_NOT_FOUND", "42P01",
                                  fmt::format("The table or view `{}` cannot be found: there is no "
                                              "catalog yet; name a table by its "
                                              "folder, as delta.`/path/to/table`.",
                                              fmt::join(from.name, "`.`")),
                                  from.origin);
    }
    if (from.provider != "delta") {
      return plan::analysis_error(
          "UNSUPPORTED_FEATURE", "0A000",
          fmt::format("weir cannot query {}.`…` in SQL yet, only delta.`…`.", from.provider),
          from.origin);
    }
    if (from.time_travel.timestamp) {
      return plan::analysis_error("UNSUPPORTED_FEATURE", "0A000",
                                  "weir has no TIMESTAMP AS OF yet; VERSION AS OF works.",
                                  from.origin);
    }
    std::optional<base::TableVersion> version;
    if (from.time_travel.version) version = base::TableVersion(*from.time_travel.version);
    WEIR_ASSIGN(const auto path, delta::table_path(from.name[0]));
    WEIR_ASSIGN(snapshot_, delta::Table::snapshot_at(environment_.fs, path, version));
    return {};
  }

  // Only the columns that the steps over rows of the relation read; their expressions are
  // renumbered.
  Result<StreamPtr> scan() {
    if (!query_.from) return one_row();
    std::vector<plan::TypedPtr> readers{resolved_.where};
    if (resolved_.grouped) {
      readers.insert(readers.end(), resolved_.group_keys.begin(), resolved_.group_keys.end());
      for (const auto& aggregate : resolved_.aggregates) {
        readers.push_back(aggregate.argument);
        readers.insert(readers.end(), aggregate.more.begin(), aggregate.more.end());
      }
    } else {
      for (const auto& one : resolved_.projection)
        readers.push_back(one.expression);
    }
    const auto needed = plan::columns_needed(readers);
    delta::ScanOptions options;
    options.predicate = simple_conditions(resolved_.where, environment_.context);
    options.columns.emplace();
    std::vector<int> new_index(snapshot_->schema().fields().size(), -1);
    for (size_t i = 0; i < needed.size(); ++i) {
      new_index[static_cast<size_t>(needed[i])] = static_cast<int>(i);
      options.columns->push_back(snapshot_->schema().fields()[static_cast<size_t>(needed[i])].name);
    }
    renumber(new_index);
    WEIR_ASSIGN(auto scan, delta::Scan::plan(environment_.fs, snapshot_, std::move(options)));
    if (report_) {
      *report_ = {static_cast<int64_t>(scan.files().size()), scan.files_skipped(),
                  snapshot_->version().value()};
    }
    return StreamPtr(std::make_unique<DeltaScanStep>(std::move(scan)));
  }

  void renumber(const std::vector<int>& new_index) {
    const auto one = [&](plan::TypedPtr& expression) {
      if (expression) expression = plan::remap_columns(expression, new_index);
    };
    one(resolved_.where);
    if (!resolved_.grouped) {
      for (auto& item : resolved_.projection)
        one(item.expression);
      return;
    }
    for (auto& key : resolved_.group_keys)
      one(key);
    for (auto& aggregate : resolved_.aggregates) {
      one(aggregate.argument);
      for (auto& more : aggregate.more)
        one(more);
    }
  }

  // LIMIT and OFFSET: a constant that is not negative; -1 where there is none.
  Result<int64_t> row_count(const plan::ExpressionPtr& expression, std::string_view clause) const {
    if (!expression) return -1;
    WEIR_ASSIGN(const auto typed, plan::analyze_expression(*expression, plan::Scope{}, options_));
    WEIR_ASSIGN(const auto value, constant_value(typed, environment_.context));
    const auto* number = std::get_if<int64_t>(&value);
    if (!number || *number < 0 || typed->type.kind() > TypeKind::kLong) {
      return plan::analysis_error(
          "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "42K0E",
          fmt::format("The {} expression must be a constant whole number of at least 0.", clause),
          expression->origin);
    }
    return *number;
  }

  Result<StreamPtr> order_and_limit(StreamPtr stream) {
    WEIR_ASSIGN(const int64_t limit, row_count(resolved_.limit, "LIMIT"));
    WEIR_ASSIGN(int64_t offset, row_count(resolved_.offset, "OFFSET"));
    offset = std::max<int64_t>(offset, 0);
    if (!resolved_.distinct && resolved_.order_by.empty())
      return limit_step(std::move(stream), offset, limit);
    const auto schema = stream->schema();
    std::string columns;
    for (size_t i = 0; i < schema.fields().size(); ++i)
      columns += fmt::format("{}c{}", i ? ", " : "", i);
    std::string sql =
        fmt::format("SELECT {}{} FROM {{input}}", resolved_.distinct ? "DISTINCT " : "", columns);
    for (size_t i = 0; i < resolved_.order_by.size(); ++i) {
      const auto& key = resolved_.order_by[i];
      sql += fmt::format("{}c{} {} NULLS {}", i ? ", " : " ORDER BY ", key.column,
                         key.ascending ? "ASC" : "DESC", key.nulls_first ? "FIRST" : "LAST");
    }
    if (limit >= 0) sql += fmt::format(" LIMIT {}", limit);
    if (offset > 0) sql += fmt::format(" OFFSET {}", offset);
    WEIR_ASSIGN(stream, environment_.engine.run(sql, std::move(stream), schema));
    if (static_cast<size_t>(resolved_.visible) == schema.fields().size()) return stream;
    const std::vector<columnar::Field> visible(schema.fields().begin(),
                                               schema.fields().begin() + resolved_.visible);
    return take_columns_step(std::move(stream), Schema::structure(visible));
  }

  const plan::Query& query_;
  const QueryEnvironment& environment_;
  ScanReport* report_;
  plan::AnalysisOptions options_;
  std::shared_ptr<const delta::TableSnapshot> snapshot_;
  plan::ResolvedQuery resolved_;
};

}  // namespace

Result<std::unique_ptr<BatchStream>> run_query(const plan::Query& query,
                                               const QueryEnvironment& environment,
                                               ScanReport* report) {
  return QueryBuilder(query, environment, report).build();
}

}  // namespace weir::relational
