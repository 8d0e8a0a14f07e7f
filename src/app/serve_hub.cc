#include "app/serve_hub.h"

namespace weir::app {

void add_serve_hub_options(CLI::App& app, ServeHubWords& words) {
  auto* folder = app.add_option("--hub-dir", words.options.dir,
                                "Also run the embedded broker on this folder (as weir hub)");
  app.add_option("--hub-listen", words.options.listen, "HOST:PORT of the broker, may be repeated")
      ->needs(folder)
      ->default_str("127.0.0.1:9092");
  app.add_option("--hub-topic", words.topics, "NAME:PARTITIONS, made where absent; may be repeated")
      ->needs(folder);
  app.add_flag("--hub-auto-create-topics", words.options.auto_create_topics,
               "Make a topic when a client asks for it")
      ->needs(folder);
}

base::Result<std::unique_ptr<hub::Hub>> start_serve_hub(ServeHubWords words, io::FileSystem& files,
                                                        base::Clock& clock, base::Random& random) {
  if (words.options.dir.empty()) return std::unique_ptr<hub::Hub>();
  for (const std::string& topic : words.topics) {
    WEIR_ASSIGN(auto spec, hub::parse_topic_spec(topic, words.options.topic_defaults));
    words.options.topics.push_back(std::move(spec));
  }
  auto made = std::make_unique<hub::Hub>(files, clock, random, std::move(words.options));
  WEIR_TRY(made->start());
  return made;
}

std::string hub_addresses(const hub::Hub& hub) {
  std::string text;
  for (const hub::BoundAddress& address : hub.addresses())
    text += (text.empty() ? "" : ", ") + address.text();
  return text;
}

}  // namespace weir::app
