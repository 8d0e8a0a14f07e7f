// Parts and codes of URLs.
#include "plan/string_function_groups.h"

namespace weir::plan {

using namespace entry;

void add_urls(Functions& list) {
  list.push_back(risky("parse_url", 2, 3, fixed_nullable({S}, S),
                       "A part of a URL: HOST, PATH, QUERY (of a key), REF, PROTOCOL, FILE, "
                       "AUTHORITY or USERINFO."));
  list.push_back(sure("try_parse_url", 2, 3, fixed_nullable({S}, S),
                      "As parse_url, NULL where the text is no URL."));
  list.push_back(
      sure("url_encode", 1, 1, fixed({S}, S), "The text as application/x-www-form-urlencoded."));
  list.push_back(risky("url_decode", 1, 1, fixed({S}, S), "The text that url_encode gave."));
  list.push_back(
      sure("try_url_decode", 1, 1, fixed_nullable({S}, S), "As url_decode, NULL where it fails."));
}

}  // namespace weir::plan
