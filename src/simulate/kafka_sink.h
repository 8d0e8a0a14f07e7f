// Events into a topic, by our idempotent producer: keyed by deviceId, so that a device's order
// holds in its partition.
//
// A broker that is away is waited for without end (until stop is requested); what is in flight then
// is sent again, once.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "kafka/producer.h"
#include "simulate/event_sink.h"

namespace weir::simulate {

struct KafkaSinkOptions {
  kafka::ProducerOptions producer;  // timeouts of blocking and delivery are set by the sink
  std::string topic;
  int32_t partitions = 0;  // over 0: the topic is made with so many where it is absent
};

class KafkaSink final : public EventSink {
 public:
  // Waits for the broker, until stop is requested (kCancelled). kNotFound where the topic is absent
  // and not to be made.
  static Result<std::unique_ptr<KafkaSink>> open(KafkaSinkOptions options, base::Clock& clock,
                                                 base::Random& random, SinkObserver& observer,
                                                 std::stop_token stop);

  Result<void> send(std::string_view key, std::string_view value, int64_t timestamp_ms,
                    MessageTag tag, std::stop_token stop) override;
  Result<void> nudge() override { return {}; }  // the producer's linger does that
  Result<void> flush(int64_t timeout_us) override;
  std::string trouble() const override;

 private:
  KafkaSink(KafkaSinkOptions options, base::Clock& clock, SinkObserver& observer);
  void on_delivery(const kafka::Delivery& delivery);

  KafkaSinkOptions options_;
  base::Clock& clock_;
  SinkObserver& observer_;
  std::vector<MessageTag> tags_;  // of the delivery being told; the producer's thread only
  std::atomic<int64_t> last_delivery_us_{0};
  std::unique_ptr<kafka::Producer> producer_;
};

}  // namespace weir::simulate
