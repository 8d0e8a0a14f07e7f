// Streaming test cases as text: tests/golden/streaming/*.cases, after Spark's StreamTest.
//
//   == name of the case                 a case begins; lines up to the next are its steps
//   stream s(value int, ts timestamp)   a memory stream
//   table t(k int): (1), (2)            a static view
//   view w = watermark s ts 10 seconds  what SQL cannot say …
//   view d = deduplicate w (value)      … no columns: all of them; also deduplicate_within
//   view g = map_groups w (k) FUNCTION MODE TIMEOUT
//                                       … with state of its own (case_parts.h has the functions)
//   view v = SELECT …                   … and what it can
//   query SELECT …                      what is started; as a view
//   mode append, trigger once, conf KEY VALUE, limit N (added batches that one batch reads)
//
//   add s (1, 10), (2, 11)              rows as SQL values, cast to the stream's types
//   process                             until all there is has been read; checks do so themselves
//   new (1), (2)                        rows since the last check, in any order
//   all (1), (2)                        all rows
//   ordered (1), (2)                    the newest batch's rows in their order
//   rows 3 (1), (2)                     of batch 3, in any order
//   state 0 total 2 updated 1 dropped 0 removed 0
//                                       of a stateful operator; all but total since the last check
//   watermark 15                        of the newest batch, in seconds
//   event_time max 15 min 10 avg 12     of the newest batch with rows
//   batch 3                             number of the newest batch
//   advance 10 seconds                  the clock
//   stop, start, restart                mode, trigger, conf, query may change between
//   purge commit                        forgets that the newest batch was committed (while stopped)
//   crash POINT                         power goes there in the next batch, then a restart
//   refused CLASS: words                the start fails so
//   fails CLASS: words                  the query ends so
//
// Timestamps of results are seconds, structs {a, b}, arrays [a, b]. A line that begins with a blank
// goes on with the line before; # begins a comment line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::streaming {

struct CaseStep {
  std::string verb;
  std::string rest;
  int line = 0;
};

struct Case {
  std::string name;
  std::string file;
  std::vector<CaseStep> steps;
};

base::Result<std::vector<Case>> parse_cases(std::string_view text, const std::string& file);
// "(1, a), (2, {3, 4})": one text a row, without its outer parentheses and blanks behind commas.
base::Result<std::vector<std::string>> parse_rows(std::string_view text);
// The first word, taken off.
std::string take_word(std::string& text);

}  // namespace weir::streaming
