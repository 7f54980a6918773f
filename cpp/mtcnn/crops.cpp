#include "crops.h"

#include <algorithm>
#include <functional>

#include "exp.h"
#include "views.h"

namespace mtcnn {
namespace {

constexpr int kLogitsAndOffsets = 6;
constexpr int kTasksPerThread = 2;  // more than one, to balance the load

Landmarks landmarks_of(const Box& square, const float* values) {
    Landmarks result;
    for (std::size_t i = 0; i < 5; ++i) {
        result[2 * i] = (square.x - 1.0F) + values[i] * (square.width + 1.0F);
        result[2 * i + 1] = (square.y - 1.0F) + values[i + 5] * (square.height + 1.0F);
    }
    return result;
}

void resample(const Image& image, const Box& square, const CropNetwork& network, int side, Workspace& workspace,
              float* input) {
    workspace.resize([&] {
        workspace.resampler.prepare(image, cut(square), side, side);
        for (int y = 0; y < side; ++y) {
            workspace.resampler.row(y, input + std::ptrdiff_t{3} * y * network.row_size(), network.row_size());
        }
    });
}

}  // namespace

CropResults classify(Run& run, const Classifier& classifier, const std::vector<Box>& squares, int threads) {
    const CropNetwork& network = classifier.network;
    const int outputs = network.stages().back().out_maps;
    CropResults results;
    resize_in_steps(results.scores, squares.size(), run.cancellation_point());
    resize_in_steps(results.offsets, squares.size(), run.cancellation_point());
    if (outputs > kLogitsAndOffsets) resize_in_steps(results.landmarks, squares.size(), run.cancellation_point());
    const auto take = [&](std::size_t crop, const float* out) {
        results.scores[crop] = crop_probability(out[0], out[1]);
        results.offsets[crop] = {out[2], out[3], out[4], out[5]};
        if (!results.landmarks.empty()) {
            results.landmarks[crop] = landmarks_of(squares[crop], out + kLogitsAndOffsets);
        }
    };
    if (run.hook) {
        Workspace& workspace = run.workspace(0);
        for (std::size_t crop = 0; crop < squares.size(); ++crop) {
            const std::string prefix = classifier.stage + numbered("/crop%03d/", static_cast<int>(crop));
            const std::vector<float> out = network.run_with_hook(
                [&](int, float* input) {
                    resample(run.image, squares[crop], network, classifier.side, workspace, input);
                },
                [&](const std::string& layer, const TensorView& maps) { run.hook(prefix + layer, maps); },
                workspace.cancellation_point);
            take(crop, out.data());
        }
        return results;
    }
    const int count = static_cast<int>(squares.size());
    const int tasks = threads == 1 ? 1 : kTasksPerThread * threads;
    const int groups = std::max((count + network.group_size() - 1) / network.group_size(), std::min(tasks, count));
    const auto run_group = [&](int group, int worker) {
        Workspace& workspace = run.workspace(worker);
        const int from = chunk_begin(count, group, groups);
        const int size = chunk_begin(count, group + 1, groups) - from;
        const auto source = [&](int crop, float* input) {
            const Box& square = squares[static_cast<std::size_t>(from + crop)];
            resample(run.image, square, network, classifier.side, workspace, input);
        };
        const float* out = network.run(size, std::ref(source), workspace.crops, workspace.cancellation_point);
        for (int crop = 0; crop < size; ++crop) {
            take(static_cast<std::size_t>(from + crop), out + std::ptrdiff_t{crop} * padded(outputs));
        }
    };
    run.task_group.run(groups, threads, std::ref(run_group));
    return results;
}

}  // namespace mtcnn
