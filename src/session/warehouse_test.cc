#include "session/warehouse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/model_file_system.h"
#include "relational/duck_engine.h"
#include "session/catalog_json.h"

namespace weir::session {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

// A disk and what a process on it has. Nothing here asks the engine for anything.
struct Machine {
  explicit Machine(uint64_t seed) : files(seed), random(seed) {
    WEIR_CHECK(files.make_dir("/lake").ok());
    WEIR_CHECK(files.sync_dir("/").ok());
    WEIR_CHECK(files.sync_dir("/lake").ok());
  }
  std::shared_ptr<Warehouse> open() {
    // The warehouse passes the engine on and never looks at it.
    auto& engine = *reinterpret_cast<relational::DuckEngine*>(this);
    return Warehouse::open({files, clock, random, engine, 1}, "/lake/w").value();
  }
  io::ModelFileSystem files;
  base::ManualClock clock;
  base::SeededRandom random;
};

TableEntry table_of(Warehouse& warehouse, const std::string& name,
                    const std::string& database = "default") {
  TableEntry entry;
  entry.database = database;
  entry.name = name;
  entry.provider = "parquet";
  entry.location = warehouse.managed_location(database, name).value();
  entry.schema = columnar::parse_ddl_schema("id BIGINT NOT NULL COMMENT 'key', t STRING").value();
  entry.options["compression"] = "zstd";
  entry.properties["owner"] = "o'hara";
  entry.created_ms = 7;
  return entry;
}

DatabaseEntry database_named(const std::string& name) {
  DatabaseEntry entry;
  entry.name = name;
  return entry;
}

TEST(Warehouse, an_empty_one_has_the_default_database_and_writes_nothing) {
  Machine machine(1);
  const auto warehouse = machine.open();
  const int64_t calls = machine.files.calls();
  EXPECT_THAT(*warehouse->databases(), ElementsAre("default"));
  EXPECT_THAT(*warehouse->tables("default"), ElementsAre());
  EXPECT_EQ((*warehouse->database("DEFAULT"))->location, "/lake/w");
  EXPECT_EQ(*warehouse->database("other"), std::nullopt);
  EXPECT_EQ(machine.files.calls(), calls);
}

TEST(Warehouse, tables_come_back_as_they_were_put_in) {
  Machine machine(2);
  const auto warehouse = machine.open();
  auto entry = table_of(*warehouse, "Sales 2024/ö");
  entry.name = "sales 2024/ö";
  ASSERT_TRUE(*warehouse->create_table(entry));
  EXPECT_FALSE(*warehouse->create_table(entry)) << "the name is taken";
  const auto other = machine.open();  // another process
  EXPECT_THAT(*other->tables("default"), ElementsAre("sales 2024/ö"));
  const auto back = **other->table("default", "SALES 2024/ö");
  EXPECT_EQ(table_json(back), table_json(entry));
  EXPECT_EQ(back.schema.fields()[0].nullable, false);
}

TEST(Warehouse, a_view_keeps_its_text_and_surroundings) {
  Machine machine(3);
  const auto warehouse = machine.open();
  TableEntry view;
  view.database = "default";
  view.name = "v";
  view.kind = TableKind::kView;
  view.view_text = "SELECT 'a\"b\n' AS x";
  view.view_database = "default";
  view.view_conf["spark.sql.ansi.enabled"] = "true";
  view.schema = columnar::parse_ddl_schema("x STRING").value();
  ASSERT_TRUE(*warehouse->create_table(view));
  const auto back = **warehouse->table("default", "v");
  EXPECT_TRUE(back.is_view());
  EXPECT_EQ(back.view_text, view.view_text);
  EXPECT_EQ(back.view_conf, view.view_conf);
}

TEST(Warehouse, dropping_a_managed_table_takes_its_data_and_an_external_ones_stays) {
  Machine machine(4);
  const auto warehouse = machine.open();
  auto managed = table_of(*warehouse, "m");
  auto external = table_of(*warehouse, "e");
  external.kind = TableKind::kExternal;
  external.location = "/lake/elsewhere";
  for (const auto* entry : {&managed, &external}) {
    ASSERT_TRUE(*warehouse->create_table(*entry));
    ASSERT_TRUE(machine.files.make_dirs(entry->location).ok());
    ASSERT_TRUE(machine.files.replace(entry->location + "/data", "x").ok());
  }
  EXPECT_TRUE(*warehouse->drop_table("default", "m"));
  EXPECT_TRUE(*warehouse->drop_table("default", "e"));
  EXPECT_FALSE(*warehouse->drop_table("default", "e"));
  EXPECT_FALSE(*machine.files.exists(managed.location));
  EXPECT_TRUE(*machine.files.exists("/lake/elsewhere/data"));
}

TEST(Warehouse, a_renamed_table_keeps_its_folder_and_the_old_name_gets_another) {
  Machine machine(5);
  const auto warehouse = machine.open();
  const auto first = table_of(*warehouse, "a");
  ASSERT_TRUE(*warehouse->create_table(first));
  EXPECT_EQ(*warehouse->rename_table("default", "a", "b"), Warehouse::Renamed::kDone);
  EXPECT_EQ(*warehouse->rename_table("default", "a", "c"), Warehouse::Renamed::kNotFound);
  EXPECT_EQ((*warehouse->table("default", "b"))->location, first.location);
  const auto second = table_of(*warehouse, "a");
  EXPECT_NE(second.location, first.location);
  ASSERT_TRUE(*warehouse->create_table(second));
  EXPECT_EQ(*warehouse->rename_table("default", "a", "b"), Warehouse::Renamed::kExists);
}

TEST(Warehouse, a_folder_whose_filling_was_given_up_is_removed) {
  Machine machine(6);
  {
    const auto warehouse = machine.open();
    const auto draft = warehouse->draft("/lake/w/half").value();
    ASSERT_TRUE(machine.files.make_dirs("/lake/w/half").ok());
  }
  EXPECT_FALSE(*machine.files.exists("/lake/w/half"));
  auto warehouse = machine.open();
  auto draft = warehouse->draft("/lake/w/half").value();
  ASSERT_TRUE(machine.files.make_dirs("/lake/w/half").ok());
  ASSERT_TRUE(machine.files.replace("/lake/w/half/data", "x").ok());
  machine.files.cut_power();
  draft.reset();
  machine.files.restart();
  warehouse = machine.open();
  ASSERT_TRUE(*warehouse->create_database(database_named("any")));  // whatever changes next sweeps
  EXPECT_FALSE(*machine.files.exists("/lake/w/half"));
}

TEST(Warehouse, a_folder_is_filled_by_one_at_a_time_and_stays_with_the_table_that_has_it) {
  Machine machine(8);
  const auto warehouse = machine.open();
  const auto entry = table_of(*warehouse, "t");
  {
    const auto draft = warehouse->draft(entry.location).value();
    const auto second = warehouse->draft(entry.location);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().kind(), base::ErrorKind::kAlreadyExists);
    ASSERT_TRUE(machine.files.make_dirs(entry.location).ok());
    ASSERT_TRUE(machine.files.replace(entry.location + "/data", "x").ok());
    ASSERT_TRUE(*warehouse->create_table(entry));
  }
  EXPECT_TRUE(*machine.files.exists(entry.location + "/data"));
  { const auto again = warehouse->draft(entry.location).value(); }
  EXPECT_TRUE(*machine.files.exists(entry.location + "/data"));
}

TEST(Warehouse, what_a_newer_weir_wrote_is_refused_by_name) {
  Machine machine(7);
  const auto warehouse = machine.open();
  ASSERT_TRUE(*warehouse->create_table(table_of(*warehouse, "t")));
  ASSERT_TRUE(machine.files
                  .replace("/lake/w/_weir_catalog/tables/default/t.json",
                           R"({"version":2,"database":"default","name":"t"})")
                  .ok());
  const auto read = warehouse->table("default", "t");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind(), base::ErrorKind::kUnsupported);
}

// Changes one after the other; what has been told to be done is done after a power loss, at
// whatever call it comes, and what was under way happened whole or not at all.
struct Story {
  bool database = false, renamed = false, dropped = false, dropped_database = false;
  bool kept = false;

  void tell(Machine& machine) {
    const auto warehouse = machine.open();
    const auto created = warehouse->create_database(database_named("d"));
    if (!created.ok()) return;
    database = true;
    for (const char* name : {"a", "b"}) {
      const auto location = warehouse->managed_location("d", name);
      if (!location.ok()) return;
      const auto draft = warehouse->draft(*location);
      if (!draft.ok()) return;
      if (!machine.files.make_dirs(*location).ok()) return;
      if (!machine.files.replace(*location + "/data", "rows").ok()) return;
      if (!warehouse->create_table(table_of(*warehouse, name, "d")).ok()) return;
      if (!(*draft)->keep().ok()) return;
    }
    kept = true;
    if (!warehouse->rename_table("d", "a", "c").ok()) return;
    renamed = true;
    if (!warehouse->drop_table("d", "b").ok()) return;
    dropped = true;
    if (!warehouse->drop_database("d").ok()) return;
    dropped_database = true;
  }
};

void expect_consistent(Machine& machine, const Story& story, const std::string& what) {
  const auto warehouse = machine.open();
  // Whoever comes next changes something, which finishes what was begun.
  ASSERT_TRUE(warehouse->create_database(database_named("next")).ok()) << what;
  const auto databases = warehouse->databases();
  ASSERT_TRUE(databases.ok()) << what;
  const bool there = std::count(databases->begin(), databases->end(), "d") > 0;
  if (story.dropped_database) {
    EXPECT_FALSE(there) << what;
  }
  const auto tables = warehouse->tables("d").value();
  const auto has = [&](const char* name) {
    return std::count(tables.begin(), tables.end(), name) > 0;
  };
  if (!there) {
    EXPECT_TRUE(tables.empty()) << what << ": tables without their database";
    if (story.dropped_database) {
      EXPECT_FALSE(*machine.files.exists("/lake/w/d.db/a")) << what;
      EXPECT_FALSE(*machine.files.exists("/lake/w/d.db/b")) << what;
    }
    return;
  }
  if (story.kept) {
    EXPECT_TRUE(has("a") || has("c")) << what;
  }
  EXPECT_FALSE(has("a") && has("c")) << what << ": one table under two names";
  if (story.renamed) {
    EXPECT_TRUE(has("c")) << what;
  }
  if (story.dropped) {
    EXPECT_FALSE(has("b")) << what;
  }
  EXPECT_EQ(*machine.files.exists("/lake/w/d.db/b/data"), has("b") || false) << what;
  for (const auto& name : tables) {
    const auto entry = warehouse->table("d", name);
    ASSERT_TRUE(entry.ok() && *entry) << what << ": " << name;
    EXPECT_TRUE(*machine.files.exists((*entry)->location + "/data")) << what << ": " << name;
  }
}

TEST(Warehouse, power_may_go_at_any_call) {
  Machine dry(0);
  Story whole;
  const int64_t before = dry.files.calls();
  whole.tell(dry);
  ASSERT_TRUE(whole.dropped_database);
  const int64_t calls = dry.files.calls() - before;
  for (int64_t at = 0; at < calls; ++at) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      Machine machine(seed * 1000 + static_cast<uint64_t>(at));
      machine.files.inject(at, io::Fault::kPowerLoss);
      Story story;
      story.tell(machine);
      machine.files.restart();
      expect_consistent(
          machine, story,
          "power lost at call " + std::to_string(at) + ", seed " + std::to_string(seed));
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace weir::session
