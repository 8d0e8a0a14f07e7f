// A streaming query in a C++ program: events of devices come as JSON files in a folder. One query
// writes them into a Delta table, exactly once; a second one keeps state of its own by device and
// gives the longest run of rising temperatures; SQL then reads what is there.
//
//   devices FOLDER     events are looked for in FOLDER/events; tables and checkpoints go to FOLDER
//
// CMakeLists.txt here builds it against an installed weir.
#include <algorithm>
#include <cstdio>
#include <string>

#include "weir/weir.h"

namespace {

// For a group with state: the newest temperature, the run that goes on, and the longest one.
weir::Result<weir::Row> longest_run(const weir::Row& key, const std::vector<weir::Row>& rows,
                                    weir::GroupState& state) {
  double newest = state.exists() ? state.get()[0].real_or(0) : -1e9;
  int64_t run = state.exists() ? state.get()[1].integer_or(0) : 0;
  int64_t longest = state.exists() ? state.get()[2].integer_or(0) : 0;
  for (const weir::Row& row : rows) {
    const double temperature = row[2].real_or(newest);
    run = temperature > newest ? run + 1 : 1;
    longest = std::max(longest, run);
    newest = temperature;
  }
  state.update({newest, run, longest});
  return weir::Row{key[0], longest};
}

weir::Result<void> run(const std::string& folder) {
  auto session = weir::Session::open({.warehouse = folder + "/warehouse", .threads = 2});
  if (!session.ok()) return session.error();

  const weir::DataFrame events = session->read_stream()
                                     .format("json")
                                     .schema("device STRING, at TIMESTAMP, temperature DOUBLE")
                                     .load({folder + "/events"});

  auto to_delta = events.where("temperature IS NOT NULL")
                      .write_stream()
                      .format("delta")
                      .option("checkpointLocation", folder + "/checkpoint")
                      .trigger(weir::Trigger::available_now())
                      .to_table("events");
  if (!to_delta.ok()) return to_delta.error();

  weir::GroupStateSpec spec;
  spec.output = "device STRING, longest BIGINT";
  spec.state = "newest DOUBLE, run BIGINT, longest BIGINT";
  auto runs = events.group_by("device")
                  .map_groups_with_state(spec, longest_run)
                  .write_stream()
                  .format("memory")
                  .query_name("runs")
                  .output_mode("update")
                  .trigger(weir::Trigger::available_now())
                  .start();
  if (!runs.ok()) return runs.error();

  for (weir::StreamingQuery query : {*to_delta, *runs})
    if (const auto ended = query.await_termination(); !ended.ok()) return ended.error();

  for (const char* text : {"SELECT device, count(*), round(avg(temperature), 1) FROM events "
                           "GROUP BY device ORDER BY device",
                           "SELECT device, 0, max(longest) FROM runs GROUP BY device ORDER BY 1"}) {
    const auto answer = session->sql(text);
    if (!answer.ok()) return answer.error();
    const auto rows = answer->collect();
    if (!rows.ok()) return rows.error();
    for (const weir::Row& row : rows->rows)
      std::printf("%s %lld %g\n", row[0].text_or("-").c_str(),
                  static_cast<long long>(row[1].integer_or(0)),
                  row[2].real() ? row[2].real_or(0) : static_cast<double>(row[2].integer_or(0)));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: devices FOLDER\n");
    return 2;
  }
  const auto done = run(argv[1]);
  if (done.ok()) return 0;
  std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  return 1;
}
