// The detector's parts, and what surrounds a detection; cascade.cpp computes it.
#include "cascade.h"
#include "float_mode.h"
#include "standing.h"
#include "thread_data.h"

namespace mtcnn {

Detector::Detector(Model model, const Kernels& kernels)
    : model_((check_network(model.pnet, "PNet", kPNet), check_network(model.rnet, "RNet", kRNet),
              check_network(model.onet, "ONet", kONet), std::move(model))),
      kernels_(kernels),
      pnet_(model_.pnet, 3, kernels, true),
      pnet_layers_(model_.pnet, 3, kernels, false),
      rnet_(model_.rnet, 3, *kRNet.input_size, *kRNet.input_size, kernels, true),
      rnet_layers_(model_.rnet, 3, *kRNet.input_size, *kRNet.input_size, kernels, false),
      onet_(model_.onet, 3, *kONet.input_size, *kONet.input_size, kernels, true),
      onet_layers_(model_.onet, 3, *kONet.input_size, *kONet.input_size, kernels, false),
      standing_(std::make_unique<StandingOfProcess>(kernels)) {}

Detector::~Detector() = default;

Detections Detector::detect(const Image& image, const Options& options, const Tap& tap, Profile* profile,
                            const Interruption& interruption) const {
    prepare_thread();
    DefaultFloatMode mode;
    Interruption in_callers_mode = interruption;
    if (interruption.poll) {
        in_callers_mode.poll = [&] {
            const CallersFloatMode callers(mode);
            interruption.poll();
        };
    }
    if (!tap) return compute(image, options, tap, profile, in_callers_mode);
    const auto tap_in_callers_mode = [&](const std::string& name, const TensorView& view) {
        {
            const CallersFloatMode callers(mode);
            tap(name, view);
        }
        if (interruption.stop != nullptr && interruption.stop->is_set()) throw Stopped();
    };
    return compute(image, options, tap_in_callers_mode, profile, in_callers_mode);
}

}  // namespace mtcnn
