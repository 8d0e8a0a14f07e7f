// What Analyzer is made of: one method for each kind of node of a plan as written.
//
// Names of queries around (for correlated subqueries and lateral joins) and of common tables are
// kept on stacks while their parts are analysed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/analyzer.h"
#include "plan/expression_analyzer.h"
#include "plan/grouping.h"

namespace weir::plan {

// A select list that has been analysed and not yet been made operators of, so that ORDER BY and
// filters on top may still read what lies below it.
struct SelectBlock {
  OperatorPtr input;
  bool identity = false;  // no select list: the input's columns
  Grouping grouping;
  std::vector<SelectItem> items;
  TypedPtr having;
  bool distinct = false;
  struct Generator {
    TypedPtr call;
    bool outer = false;
  };
  std::optional<Generator> generator;
  std::vector<NamedWindow> windows;
  std::vector<int64_t> plan_ids;  // ids of the nodes that the block stands for
  Origin origin;
};

class RelationAnalyzer final : public QueryContext {
 public:
  RelationAnalyzer(Catalog& catalog, AnalyzerSettings settings, Folder fold,
                   SmallQuery small_query);

  Result<OperatorPtr> analyze(const PlanPtr& plan);
  Result<std::vector<NamedTyped>> analyze_list(const std::vector<ExpressionPtr>& list,
                                               const Operator& input);
  // The operator without its hidden columns.
  static OperatorPtr visible(const OperatorPtr& input);

  // QueryContext
  Result<OperatorPtr> subquery(const PlanPtr& plan, const std::vector<Column>& columns) override;
  Result<TypedPtr> outer_column(const std::vector<std::string>& parts, size_t& used,
                                const Origin& origin) override;
  Result<TypedPtr> plan_column(int64_t plan_id, const std::vector<std::string>& parts, size_t& used,
                               const std::vector<Column>& columns, const Origin& origin) override;
  std::vector<std::string> outer_qualifier(int level, int index) override {
    return (*outers_[outers_.size() - static_cast<size_t>(level)])[static_cast<size_t>(index)]
        .qualifier;
  }
  const std::vector<Column>* outer_columns(int level) override {
    const auto count = static_cast<size_t>(level);
    return outers_.size() < count ? nullptr : outers_[outers_.size() - count];
  }
  std::shared_ptr<const PythonFunction> python_function(std::string_view name) override;
  std::unique_ptr<Literal> constant_function(std::string_view name) override;
  Result<Literal> parameter(const Parameter& parameter, const Origin& origin) override;
  Result<Value> fold(const TypedPtr& expression) override;
  Result<TypedPtr> time_window_column(const TypedPtr& call,
                                      const std::vector<Column>& columns) override;
  int next_lambda_variable() override { return lambda_variables_++; }

 private:
  using Made = Result<OperatorPtr>;
  // A common table that reads itself, while it is being analysed.
  struct Recursion {
    const CommonTable* table = nullptr;
    int64_t id = 0;
    std::vector<Column> columns;  // what a reference gives
    bool open = false;            // in the part that may refer to it
    int references = 0;
  };
  struct CommonTableEntry {
    const CommonTable* table = nullptr;
    OperatorPtr plan;      // null where it is analysed at each use
    bool reading = false;  // being analysed: a reference is recursive
    std::shared_ptr<Recursion> recursion;
    int uses = 0;
  };
  using CommonTables = std::map<std::string, CommonTableEntry>;
  struct PlanInstance {
    int depth;
    std::vector<Column> columns;
  };

  // relation_leaf.cc
  Made visit(const NamedTable& node, const PlanNode& whole);
  Made visit(const DataSource& node, const PlanNode& whole);
  Made visit(const LocalRows& node, const PlanNode& whole);
  Made visit(const Values& node, const PlanNode& whole);
  Made visit(const OneRow& node, const PlanNode& whole);
  Made visit(const RangeRows& node, const PlanNode& whole);
  Made visit(const SubqueryAlias& node, const PlanNode& whole);
  Made visit(const With& node, const PlanNode& whole);
  Made visit(const PlanId& node, const PlanNode& whole);
  Made visit(const CachedRelation& node, const PlanNode& whole);
  Made common_table(CommonTableEntry& entry, const std::string& name, const Origin& origin);
  Made view(const View& view, const std::vector<std::string>& qualifier, const Origin& origin);
  OperatorPtr scan(const TablePtr& table, std::vector<std::string> qualifier);
  // relation_select.cc
  Made visit(const Project& node, const PlanNode& whole);
  Made visit(const Aggregate& node, const PlanNode& whole);
  Made visit(const Filter& node, const PlanNode& whole);
  Made visit(const Sort& node, const PlanNode& whole);
  Made visit(const WindowClause& node, const PlanNode& whole);
  Made visit(const Distinct& node, const PlanNode& whole);
  Made visit(const Limit& node, const PlanNode& whole);
  Made visit(const Tail& node, const PlanNode& whole);
  Result<int64_t> limit_value(const ExpressionPtr& expression, std::string_view name);
  // select_block.cc
  Result<SelectBlock> open_block(const PlanPtr& plan);
  Result<void> select_list(SelectBlock& block, const std::vector<ExpressionPtr>& list);
  Result<void> add_generator(SelectBlock& block, const Expression& expression, SelectItem item);
  // The operators of the block. `extras` are expressions over the input and the items (see
  // kItemColumns); they come back over the result's columns, which may have got more at the end.
  Made close_block(SelectBlock& block, std::vector<TypedPtr>& extras);
  Made identity_block(SelectBlock& block, std::vector<TypedPtr>& extras);
  // relation_aggregate.cc
  Result<SelectBlock> aggregate_block(const Aggregate& node, std::vector<NamedWindow> windows,
                                      const Origin& origin);
  Result<void> grouping_keys(const Aggregate& node, SelectBlock& block);
  // time_windows.cc
  // The input with the column of the window() calls in these lists; the input where there is none.
  Made with_time_windows(const OperatorPtr& input,
                         const std::vector<const std::vector<ExpressionPtr>*>& lists);
  Result<void> all_keys(SelectBlock& block, const Origin& origin);
  Result<TypedPtr> grouping_key(const Expression& key, bool sql, const SelectBlock& block);
  Made visit(const Pivot& node, const PlanNode& whole);
  Made transpose(const Pivot& node, const Origin& origin);  // relation_transpose.cc
  // relation_join.cc
  Made visit(const Join& node, const PlanNode& whole);
  Made using_join(const Join& node, const OperatorPtr& left, const OperatorPtr& right,
                  std::vector<std::string> names, const Origin& origin);
  Made visit(const SetOperation& node, const PlanNode& whole);
  // relation_recursion.cc
  Made recursive_reference(const CommonTableEntry& entry, const std::string& name,
                           const Origin& origin);
  Made recursive_union(const SetOperation& node, const PlanNode& whole, Recursion& recursion);
  static const PlanNode* union_of(const PlanPtr& plan);
  Made by_name(const OperatorPtr& right, const OperatorPtr& left, bool allow_missing,
               const Origin& origin);
  // relation_columns.cc
  Made visit(const WithColumns& node, const PlanNode& whole);
  Made visit(const RenameColumns& node, const PlanNode& whole);
  Made visit(const DropColumns& node, const PlanNode& whole);
  Made visit(const ToDataFrame& node, const PlanNode& whole);
  Made visit(const ToSchema& node, const PlanNode& whole);
  Made visit(const Deduplicate& node, const PlanNode& whole);
  // Refuses rows with maps in them where whole rows are compared.
  static Result<void> comparable_rows(const Operator& rows, const Origin& origin);
  Made visit(const Sample& node, const PlanNode& whole);
  Made visit(const Repartition& node, const PlanNode& whole);
  Made visit(const Hint& node, const PlanNode& whole);
  Made visit(const WithWatermark& node, const PlanNode& whole);
  Made visit(const Observe& node, const PlanNode& whole);
  Made visit(const MapPartitions& node, const PlanNode& whole);
  Made visit(const GroupMap& node, const PlanNode& whole);
  Made visit(const CoGroupMap& node, const PlanNode& whole);
  Result<std::vector<int>> positions(const std::vector<std::string>& names, const Operator& input);
  // relation_generate.cc
  Made visit(const LateralView& node, const PlanNode& whole);
  Made visit(const TableFunction& node, const PlanNode& whole);
  Made visit(const Unpivot& node, const PlanNode& whole);
  Made generate(const OperatorPtr& child, const Expression& call, bool outer,
                std::vector<std::string> qualifier, const std::vector<std::string>& names);
  // relation_statistics.cc
  Made visit(const FillNa& node, const PlanNode& whole);
  Made visit(const DropNa& node, const PlanNode& whole);
  Made visit(const ReplaceValues& node, const PlanNode& whole);
  Made visit(const Describe& node, const PlanNode& whole);
  Made visit(const Statistic& node, const PlanNode& whole);

  // shared
  ColumnId fresh_id() { return next_id_++; }
  Column column_of(std::string name, const Typed& expression);
  const AnalysisOptions& options() const { return settings_.expressions; }
  ExpressionAnalyzer expressions(const ExpressionScope& scope) {
    return ExpressionAnalyzer(scope, options(), this);
  }
  // The same operator, its columns called otherwise.
  static OperatorPtr with_columns(const OperatorPtr& input, std::vector<Column> columns);
  OperatorPtr project(const OperatorPtr& input, const std::vector<SelectItem>& items);
  // A project of the columns at these positions.
  OperatorPtr keep(const OperatorPtr& input, const std::vector<int>& positions);
  std::vector<SelectItem> items_of(const OperatorPtr& input, bool hidden = false);
  Result<OperatorPtr> aggregate_of(const OperatorPtr& input, const std::vector<TypedPtr>& keys,
                                   const std::vector<NamedTyped>& list);
  void record_plan(int64_t id, const OperatorPtr& plan);

  Catalog& catalog_;
  AnalyzerSettings settings_;
  Folder fold_;
  SmallQuery small_query_;
  ColumnId next_id_ = 1;
  std::unordered_map<ColumnId, TypedPtr> time_windows_;  // the call that a column stands for
  int lambda_variables_ = 0;
  int depth_ = 0;
  int view_depth_ = 0;
  std::vector<const std::vector<Column>*> outers_;
  struct CommonFrame {
    std::shared_ptr<CommonTables> tables;
    size_t depth = 0;  // definitions and subqueries around it
  };
  std::vector<CommonFrame> common_tables_;
  size_t definitions_ = 0;  // of common tables that are being analysed
  std::unordered_map<const PlanNode*, std::shared_ptr<Recursion>> recursions_;  // by their UNION
  int64_t recursion_ids_ = 0;
  std::unordered_map<int64_t, std::vector<PlanInstance>> plan_instances_;
};

}  // namespace weir::plan
