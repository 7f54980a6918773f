// Construction of the detector, and the floating-point mode around a detection. cascade.cpp computes it.
#include "cascade.h"
#include "float_mode.h"
#include "process_state.h"

namespace mtcnn {

Detector::Detector(Model model, const Kernels& kernels, bool filter)
    : model_((check_network(model.pnet, "PNet", kPNet), check_network(model.rnet, "RNet", kRNet),
              check_network(model.onet, "ONet", kONet), std::move(model))),
      kernels_(kernels),
      pnet_(model_.pnet, 3, kernels),
      rnet_(model_.rnet, 3, *kRNet.input_size, *kRNet.input_size, kernels),
      onet_(model_.onet, 3, *kONet.input_size, *kONet.input_size, kernels),
      state_(std::make_unique<ProcessState>(kernels)) {
    if (!filter) return;
    const DefaultFloatMode mode;
    filter_.emplace(model_.pnet, pnet_, kernels);
    if (!filter_->usable()) filter_.reset();
}

Detector::~Detector() = default;

Detections Detector::detect(const Image& image, const Options& options, const Hook& hook, Profile* profile,
                            const CancellationOptions& cancellation) const {
    prepare_thread();
    DefaultFloatMode mode;
    CancellationOptions in_callers_mode = cancellation;
    if (cancellation.poll) {
        in_callers_mode.poll = [&] {
            const CallersFloatMode callers(mode);
            cancellation.poll();
        };
    }
    if (!hook) return compute(image, options, hook, profile, in_callers_mode);
    const auto hook_in_callers_mode = [&](const std::string& name, const TensorView& view) {
        {
            const CallersFloatMode callers(mode);
            hook(name, view);
        }
        if (cancellation.source != nullptr && cancellation.source->is_set()) throw Cancelled();
    };
    return compute(image, options, hook_in_callers_mode, profile, in_callers_mode);
}

}  // namespace mtcnn
