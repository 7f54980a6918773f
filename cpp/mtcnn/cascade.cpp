#include "cascade.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "crops.h"
#include "exp.h"
#include "parallel.h"
#include "proposals.h"
#include "views.h"
#include "workspace.h"

namespace mtcnn {
namespace {

constexpr int kThreadsAtMost = 1024;
// How much work makes one more thread worth starting: some 0.1 ms of it.
constexpr double kPixelsPerThread = 4096;  // PNet: pixels of the pyramid
constexpr int kRNetCropsPerThread = 4;
constexpr int kONetCropsPerThread = 1;
constexpr int kBandRows = 32;  // rows of a heat map that are worth a task of their own

}  // namespace

// One detection.
class Run {
public:
    Run(const Detector& detector, const Image& image, const Options& options, const Tap& tap, Profile* profile)
        : detector_(detector), image_(image), options_(options), tap_(tap), profile_(profile) {
        const int threads = tap ? 1 : std::min(options.threads, kThreadsAtMost);
        for (int i = 0; i < threads; ++i) {
            workspaces_.push_back(detector.borrow());
            workspaces_.back()->timed = profile != nullptr;
        }
    }
    ~Run() {
        for (auto& workspace : workspaces_) detector_.give_back(std::move(workspace));
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    Detections detect() {
        Stopwatch total;
        Stopwatch stage;
        std::vector<Box> squares = propose();
        if (profile_) profile_->pnet = stage.lap();
        squares = refine(squares);
        if (profile_) profile_->rnet = stage.lap();
        Detections result = finish(squares);
        if (profile_) {
            profile_->onet = stage.lap();
            profile_->total = total.lap();
            for (const auto& workspace : workspaces_) profile_->resize += workspace->resize_seconds;
        }
        return result;
    }

private:
    struct Band {
        int level, from, to;  // rows of the heat map
    };

    template <class T>
    void show(std::string_view stage, std::string_view name, const std::vector<T>& values) const {
        if (tap_) tap_(std::string(stage).append("/").append(name), view_of(values));
    }

    // As many threads as there are, and as the work pays for.
    int threads_for(double work) const {
        return static_cast<int>(std::clamp(work, 1.0, static_cast<double>(workspaces_.size())));
    }

    Workspace& workspace(int worker) const { return *workspaces_[static_cast<std::size_t>(worker)]; }

    // --- PNet -------------------------------------------------------------------------------------------------

    std::vector<Box> propose() {
        const std::vector<Level> levels = pyramid(image_.height, image_.width, options_);
        std::vector<Proposals> survivors(levels.size());
        Stopwatch watch;
        if (tap_) {
            for (std::size_t i = 0; i < levels.size(); ++i) survivors[i] = watch_level(static_cast<int>(i), levels[i]);
        } else {
            double pixels = 0;
            for (const Level& level : levels) pixels += static_cast<double>(level.height) * level.width;
            const int threads = threads_for(pixels / kPixelsPerThread);
            std::vector<std::vector<Candidate>> candidates = run_bands(levels, pixels, threads);
            watch.lap();
            team_.run(static_cast<int>(levels.size()), threads, [&](int i, int) {
                const auto level = static_cast<std::size_t>(i);
                survivors[level] = suppress_level(i, levels[level], std::move(candidates[level]));
            });
        }
        Proposals all;
        for (const Proposals& level : survivors) {
            all.boxes.insert(all.boxes.end(), level.boxes.begin(), level.boxes.end());
            all.scores.insert(all.scores.end(), level.scores.begin(), level.scores.end());
            all.offsets.insert(all.offsets.end(), level.offsets.begin(), level.offsets.end());
        }
        show("pnet", "boxes", all.boxes);
        show("pnet", "scores", all.scores);
        show("pnet", "offsets", all.offsets);
        std::vector<Box> squares = suppress_and_move(all, "pnet");
        if (profile_) profile_->proposals += watch.lap();
        return squares;
    }

    // Non-maximum suppression, offsets, squares: the way from PNet and RNet to the next network.
    std::vector<Box> suppress_and_move(const Proposals& proposals, std::string_view stage) const {
        const std::vector<std::int32_t> keep =
            non_maximum_suppression(proposals.boxes, proposals.scores, 0.7F, Overlap::kUnion);
        show(stage, "nms_keep", keep);
        std::vector<Box> squares;
        for (const std::int32_t i : keep) {
            const auto index = static_cast<std::size_t>(i);
            const Box moved = apply_offsets(proposals.boxes[index], proposals.offsets[index], false);
            if (!is_usable(moved)) continue;
            const Box square = make_square(moved);
            if (square.width > 0 && touches(cut(square), image_)) squares.push_back(square);
        }
        return squares;
    }

    std::vector<std::vector<Candidate>> run_bands(const std::vector<Level>& levels, double pixels, int threads) {
        std::vector<Band> bands;
        for (std::size_t i = 0; i < levels.size(); ++i) {
            const auto size = map_size(detector_.model_.pnet, levels[i].height, levels[i].width);
            if (!size) continue;
            const double share = static_cast<double>(levels[i].height) * levels[i].width / pixels;
            int parts = threads == 1 ? 1 : static_cast<int>(std::ceil(share * 4 * threads));
            parts = std::clamp(size->first / kBandRows, 1, parts);
            for (int p = 0; p < parts; ++p) {
                bands.push_back({static_cast<int>(i), part(size->first, p, parts), part(size->first, p + 1, parts)});
            }
        }
        std::vector<std::vector<Candidate>> found(bands.size());
        team_.run(static_cast<int>(bands.size()), threads, [&](int index, int worker) {
            const Band& band = bands[static_cast<std::size_t>(index)];
            run_band(levels[static_cast<std::size_t>(band.level)], band, workspace(worker),
                     found[static_cast<std::size_t>(index)]);
        });
        std::vector<std::vector<Candidate>> candidates(levels.size());
        for (std::size_t i = 0; i < bands.size(); ++i) {
            auto& level = candidates[static_cast<std::size_t>(bands[i].level)];
            level.insert(level.end(), found[i].begin(), found[i].end());
        }
        return candidates;
    }

    void run_band(const Level& level, const Band& band, Workspace& workspace, std::vector<Candidate>& found) const {
        workspace.resampler.prepare(image_, whole(image_), level.height, level.width);
        const int width = map_size(detector_.model_.pnet, level.height, level.width)->second;
        std::int32_t* positions = workspace.positions.reserve(static_cast<std::size_t>(width));
        detector_.pnet_.run(
            level.height, level.width, band.from, band.to,
            [&](int y, float* row, std::ptrdiff_t stride) { workspace.resample_row(y, row, stride); },
            [&](int y, const float* row, std::ptrdiff_t stride) { scan_row(y, row, stride, width, positions, found); },
            workspace.planar);
    }

    void scan_row(int y, const float* row, std::ptrdiff_t stride, int width, std::int32_t* positions,
                  std::vector<Candidate>& found) const {
        const int count = detector_.kernels_.find_below(row, row + stride, limit_, width, positions);
        for (int i = 0; i < count; ++i) {
            const std::int32_t x = positions[i];
            const auto value = [=](int map) { return row[map * stride + x]; };
            found.push_back({x, y, probability(value(0), value(1)), {value(2), value(3), value(4), value(5)}});
        }
    }

    // All layers of a level, shown.
    Proposals watch_level(int number, const Level& level) const {
        const auto size = map_size(detector_.model_.pnet, level.height, level.width);
        if (!size) return {};
        const std::string prefix = numbered("pnet/level%02d/", number);
        Workspace& workspace = this->workspace(0);
        workspace.resampler.prepare(image_, whole(image_), level.height, level.width);
        const int width = size->second;
        std::int32_t* positions = workspace.positions.reserve(static_cast<std::size_t>(width));
        std::vector<float> heat_map;
        std::vector<Candidate> candidates;
        detector_.pnet_layers_.run_watched(
            level.height, level.width,
            [&](int y, float* row, std::ptrdiff_t stride) { workspace.resample_row(y, row, stride); },
            [&](int y, const float* row, std::ptrdiff_t stride) {
                for (int x = 0; x < width; ++x) heat_map.push_back(probability(row[x], row[stride + x]));
                scan_row(y, row, stride, width, positions, candidates);
            },
            [&](const std::string& layer, const TensorView& maps) { tap_(prefix + layer, maps); });
        tap_(prefix + "heat_map", dense_view(std::move(heat_map), {size->first, width}));
        return suppress_level(number, level, std::move(candidates));
    }

    Proposals suppress_level(int number, const Level& level, std::vector<Candidate> candidates) const {
        const Proposals raw = to_proposals(std::move(candidates), level.scale);
        const std::vector<std::int32_t> keep = non_maximum_suppression(raw.boxes, raw.scores, 0.5F, Overlap::kUnion);
        if (tap_) {
            const std::string stage = numbered("pnet/level%02d", number);
            show(stage, "boxes", raw.boxes);
            show(stage, "scores", raw.scores);
            show(stage, "offsets", raw.offsets);
            show(stage, "nms_keep", keep);
        }
        return picked(raw, keep);
    }

    // --- RNet and ONet ---------------------------------------------------------------------------------------

    static std::vector<std::int32_t> reaching(const std::vector<float>& scores, float threshold) {
        std::vector<std::int32_t> keep;
        for (std::size_t i = 0; i < scores.size(); ++i) {
            if (scores[i] >= threshold) keep.push_back(static_cast<std::int32_t>(i));
        }
        return keep;
    }

    // A network on every square, with what goes in and comes out shown.
    CropResults run(const Classifier& classifier, const std::vector<Box>& squares, int crops_per_thread) {
        const std::string_view stage = classifier.stage;
        show(stage, "boxes_in", squares);
        const int threads = threads_for(static_cast<double>(squares.size()) / crops_per_thread);
        CropResults results = classify(classifier, squares, image_, workspaces_, team_, threads, tap_);
        show(stage, "scores", results.scores);
        show(stage, "offsets", results.offsets);
        return results;
    }

    std::vector<Box> refine(const std::vector<Box>& squares) {
        if (profile_) profile_->boxes_into_rnet = static_cast<int>(squares.size());
        const CropResults results =
            run({"rnet", *kRNet.input_size, detector_.rnet_, detector_.rnet_layers_}, squares, kRNetCropsPerThread);
        const std::vector<std::int32_t> keep = reaching(results.scores, options_.thresholds[1]);
        show("rnet", "keep", keep);
        return suppress_and_move({picked(squares, keep), picked(results.scores, keep), picked(results.offsets, keep)},
                                 "rnet");
    }

    Detections finish(const std::vector<Box>& squares) {
        if (profile_) profile_->boxes_into_onet = static_cast<int>(squares.size());
        const CropResults results =
            run({"onet", *kONet.input_size, detector_.onet_, detector_.onet_layers_}, squares, kONetCropsPerThread);
        std::vector<std::int32_t> keep;
        std::vector<Box> moved;
        for (const std::int32_t i : reaching(results.scores, options_.thresholds[2])) {
            const auto index = static_cast<std::size_t>(i);
            const Box box = apply_offsets(squares[index], results.offsets[index], true);
            if (!is_usable(box)) continue;
            keep.push_back(i);
            moved.push_back(box);
        }
        show("onet", "keep", keep);
        show("onet", "landmarks", results.landmarks);
        const std::vector<float> scores = picked(results.scores, keep);
        const std::vector<std::int32_t> best = non_maximum_suppression(moved, scores, 0.7F, Overlap::kMinimum);
        show("onet", "nms_keep", best);
        const std::vector<Box> boxes_out = picked(moved, best);
        show("onet", "boxes_out", boxes_out);
        Detections detections;
        std::transform(boxes_out.begin(), boxes_out.end(), std::back_inserter(detections.boxes), final_box);
        detections.scores = picked(scores, best);
        detections.landmarks = picked(picked(results.landmarks, keep), best);
        show("final", "boxes", detections.boxes);
        show("final", "scores", detections.scores);
        show("final", "landmarks", detections.landmarks);
        return detections;
    }

    const Detector& detector_;
    const Image& image_;
    const Options& options_;
    const Tap& tap_;
    Profile* profile_;
    float limit_ = logit_limit(options_.thresholds[0]);
    Workspaces workspaces_;
    Team team_;
};

Detections Detector::compute(const Image& image, const Options& options, const Tap& tap, Profile* profile) const {
    options.check();
    return Run(*this, image, options, tap, profile).detect();
}

}  // namespace mtcnn
