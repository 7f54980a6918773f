#include "cascade.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "crops.h"
#include "levels.h"
#include "run.h"

namespace mtcnn {
namespace {

// Amount of work for which an additional thread pays off: about 0.1 ms.
constexpr int kRNetCropsPerThread = 4;
constexpr int kONetCropsPerThread = 1;

// Non-maximum suppression, offsets, squares: the step from PNet or RNet to the next network.
std::vector<Box> suppress_and_move(const Run& run, const Proposals& proposals, std::string_view stage) {
    const std::vector<std::int32_t> keep =
        non_maximum_suppression(proposals.boxes, proposals.scores, 0.7F, Overlap::kUnion, run.cancellation_point());
    run.show(stage, "nms_keep", keep);
    std::vector<Box> squares;
    squares.reserve(keep.size());
    for (const std::int32_t i : keep) {
        const auto index = static_cast<std::size_t>(i);
        const Box moved = apply_offsets(proposals.boxes[index], proposals.offsets[index], false);
        run.cancellation_point().advance(16);
        if (!is_usable(moved)) continue;
        const Box square = make_square(moved);
        if (square.width > 0 && touches(cut(square), run.image)) squares.push_back(square);
    }
    return squares;
}

std::vector<Box> propose(Run& run) {
    const Proposals& proposals = propose_on_levels(run, pyramid(run.image.height, run.image.width, run.options));
    Stopwatch stopwatch;
    run.show("pnet", "boxes", proposals.boxes);
    run.show("pnet", "scores", proposals.scores);
    run.show("pnet", "offsets", proposals.offsets);
    std::vector<Box> squares = suppress_and_move(run, proposals, "pnet");
    if (run.profile) run.profile->proposals += stopwatch.lap();
    return squares;
}

std::vector<std::int32_t> indices_at_least(const std::vector<float>& scores, float threshold) {
    std::vector<std::int32_t> keep;
    keep.reserve(scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i) {
        if (scores[i] >= threshold) keep.push_back(static_cast<std::int32_t>(i));
    }
    return keep;
}

// Runs a network on every square and calls the hook with its inputs and outputs.
CropResults classify_and_show(Run& run, const Classifier& classifier, const std::vector<Box>& squares,
                              int crops_per_thread) {
    const std::string_view stage = classifier.stage;
    run.show(stage, "boxes_in", squares);
    const int threads = run.threads_for(static_cast<double>(squares.size()) / crops_per_thread);
    CropResults results = classify(run, classifier, squares, threads);
    run.show(stage, "scores", results.scores);
    run.show(stage, "offsets", results.offsets);
    return results;
}

std::vector<Box> refine(Run& run, const std::vector<Box>& squares) {
    if (run.profile) run.profile->boxes_into_rnet = static_cast<int>(squares.size());
    const CropResults results =
        classify_and_show(run, {"rnet", *kRNet.input_size, run.detector.rnet()}, squares, kRNetCropsPerThread);
    const std::vector<std::int32_t> keep = indices_at_least(results.scores, run.options.thresholds[1]);
    run.show("rnet", "keep", keep);
    CancellationPoint& cancellation_point = run.cancellation_point();
    Proposals& proposals = run.workspace(0).proposals.all;
    proposals.clear();
    select(squares, keep, proposals.boxes, cancellation_point);
    select(results.scores, keep, proposals.scores, cancellation_point);
    select(results.offsets, keep, proposals.offsets, cancellation_point);
    return suppress_and_move(run, proposals, "rnet");
}

Detections finish(Run& run, const std::vector<Box>& squares) {
    if (run.profile) run.profile->boxes_into_onet = static_cast<int>(squares.size());
    const CropResults results =
        classify_and_show(run, {"onet", *kONet.input_size, run.detector.onet()}, squares, kONetCropsPerThread);
    CancellationPoint& cancellation_point = run.cancellation_point();
    std::vector<std::int32_t> keep;
    std::vector<Box> moved;
    keep.reserve(squares.size());
    moved.reserve(squares.size());
    for (const std::int32_t i : indices_at_least(results.scores, run.options.thresholds[2])) {
        const auto index = static_cast<std::size_t>(i);
        const Box box = apply_offsets(squares[index], results.offsets[index], true);
        cancellation_point.advance(16);
        if (!is_usable(box)) continue;
        keep.push_back(i);
        moved.push_back(box);
    }
    run.show("onet", "keep", keep);
    run.show("onet", "landmarks", results.landmarks);
    const std::vector<float> scores = selected(results.scores, keep, cancellation_point);
    const std::vector<std::int32_t> best =
        non_maximum_suppression(moved, scores, 0.7F, Overlap::kMinimum, cancellation_point);
    run.show("onet", "nms_keep", best);
    const std::vector<Box> boxes_out = selected(moved, best, cancellation_point);
    run.show("onet", "boxes_out", boxes_out);
    Detections detections;
    detections.boxes.reserve(boxes_out.size());
    std::transform(boxes_out.begin(), boxes_out.end(), std::back_inserter(detections.boxes), final_box);
    detections.scores = selected(scores, best, cancellation_point);
    detections.landmarks = selected(selected(results.landmarks, keep, cancellation_point), best, cancellation_point);
    run.show("final", "boxes", detections.boxes);
    run.show("final", "scores", detections.scores);
    run.show("final", "landmarks", detections.landmarks);
    return detections;
}

Detections run_all(Run& run) {
    Stopwatch total;
    Stopwatch stage;
    std::vector<Box> squares = propose(run);
    if (run.profile) run.profile->pnet = stage.lap();
    squares = refine(run, squares);
    if (run.profile) run.profile->rnet = stage.lap();
    Detections result = finish(run, squares);
    if (run.profile) {
        run.profile->onet = stage.lap();
        run.profile->total = total.lap();
        run.profile->resize += run.resize_seconds();
    }
    return result;
}

}  // namespace

Detections Detector::compute(const Image& image, const Options& options, const Hook& hook, Profile* profile,
                             const CancellationOptions& cancellation) const {
    options.check();
    Run run({*this, image, options, hook, profile, cancellation});
    run.cancellation_point().check();  // the source may be set already
    return run_all(run);
}

}  // namespace mtcnn
