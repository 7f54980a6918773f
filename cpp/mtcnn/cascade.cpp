#include "cascade.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "exp.h"
#include "parallel.h"
#include "proposals.h"
#include "views.h"
#include "workspace.h"

namespace mtcnn {
namespace {

constexpr int kThreadsAtMost = 1024;
constexpr int kBandRows = 32;  // rows of a heat map that are worth a task of their own

std::string numbered(const char* format, int number) {
    char text[64];
    std::snprintf(text, sizeof text, format, number);
    return text;
}

Landmarks landmarks_of(const Box& square, const float* values) {
    Landmarks result;
    for (std::size_t i = 0; i < 5; ++i) {
        result[2 * i] = (square.x - 1.0F) + values[i] * (square.width + 1.0F);
        result[2 * i + 1] = (square.y - 1.0F) + values[i + 5] * (square.height + 1.0F);
    }
    return result;
}

}  // namespace

// One detection.
class Run {
public:
    Run(const Detector& detector, const Image& image, const Options& options, const Tap& tap, Profile* profile)
        : detector_(detector), image_(image), options_(options), tap_(tap), profile_(profile) {
        const int threads = tap ? 1 : std::min(options.threads, kThreadsAtMost);
        for (int i = 0; i < threads; ++i) workspaces_.push_back(detector.borrow());
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
    using Workspace = Detector::Workspace;

    struct Band {
        int level, from, to;  // rows of the heat map
    };

    struct CropResults {
        std::vector<float> scores;
        std::vector<Offsets> offsets;
        std::vector<Landmarks> landmarks;
    };

    template <class T>
    void show(const std::string& name, const std::vector<T>& values) const {
        if (tap_) tap_(name, view_of(values));
    }

    int threads() const { return static_cast<int>(workspaces_.size()); }

    // Resampled rows of a patch, for a network's input.
    void resample_row(Workspace& workspace, int y, float* out, std::ptrdiff_t map_stride) const {
        if (!profile_) return workspace.resampler.row(y, out, map_stride);
        Stopwatch watch;
        workspace.resampler.row(y, out, map_stride);
        workspace.resize_seconds += watch.lap();
    }

    // --- PNet -------------------------------------------------------------------------------------------------

    std::vector<Box> propose() {
        const std::vector<Level> levels = pyramid(image_.height, image_.width, options_);
        std::vector<Proposals> survivors(levels.size());
        if (tap_) {
            for (std::size_t i = 0; i < levels.size(); ++i) survivors[i] = watch_level(static_cast<int>(i), levels[i]);
        } else {
            std::vector<std::vector<Candidate>> candidates = run_bands(levels);
            parallel_for(static_cast<int>(levels.size()), threads(), [&](int i, int) {
                const auto level = static_cast<std::size_t>(i);
                survivors[level] = suppress_level(i, levels[level], std::move(candidates[level]));
            });
        }
        Stopwatch watch;
        Proposals all;
        for (const Proposals& level : survivors) {
            all.boxes.insert(all.boxes.end(), level.boxes.begin(), level.boxes.end());
            all.scores.insert(all.scores.end(), level.scores.begin(), level.scores.end());
            all.offsets.insert(all.offsets.end(), level.offsets.begin(), level.offsets.end());
        }
        show("pnet/boxes", all.boxes);
        show("pnet/scores", all.scores);
        show("pnet/offsets", all.offsets);
        std::vector<Box> squares = suppress_and_move(all, "pnet");
        if (profile_) profile_->proposals += watch.lap();
        return squares;
    }

    // Non-maximum suppression, offsets, squares: the way from PNet and RNet to the next network.
    std::vector<Box> suppress_and_move(const Proposals& proposals, const std::string& stage) const {
        const std::vector<std::int32_t> keep =
            non_maximum_suppression(proposals.boxes, proposals.scores, 0.7F, Overlap::kUnion);
        show(stage + "/nms_keep", keep);
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

    std::vector<std::vector<Candidate>> run_bands(const std::vector<Level>& levels) {
        std::vector<Band> bands;
        double work = 0;
        for (const Level& level : levels) work += static_cast<double>(level.height) * level.width;
        for (std::size_t i = 0; i < levels.size(); ++i) {
            const auto size = map_size(detector_.model_.pnet, levels[i].height, levels[i].width);
            if (!size) continue;
            const double share = static_cast<double>(levels[i].height) * levels[i].width / work;
            int parts = threads() == 1 ? 1 : static_cast<int>(std::ceil(share * 4 * threads()));
            parts = std::clamp(size->first / kBandRows, 1, parts);
            for (int p = 0; p < parts; ++p) {
                bands.push_back({static_cast<int>(i), part(size->first, p, parts), part(size->first, p + 1, parts)});
            }
        }
        std::vector<std::vector<Candidate>> found(bands.size());
        parallel_for(static_cast<int>(bands.size()), threads(), [&](int index, int worker) {
            const Band& band = bands[static_cast<std::size_t>(index)];
            run_band(levels[static_cast<std::size_t>(band.level)], band, *workspaces_[static_cast<std::size_t>(worker)],
                     found[static_cast<std::size_t>(index)]);
        });
        std::vector<std::vector<Candidate>> candidates(levels.size());
        for (std::size_t i = 0; i < bands.size(); ++i) {
            auto& level = candidates[static_cast<std::size_t>(bands[i].level)];
            level.insert(level.end(), found[i].begin(), found[i].end());
        }
        return candidates;
    }

    static int part(int count, int index, int parts) { return static_cast<int>(std::int64_t{count} * index / parts); }

    void run_band(const Level& level, const Band& band, Workspace& workspace, std::vector<Candidate>& found) const {
        workspace.resampler.prepare(image_, whole(image_), level.height, level.width);
        const int width = map_size(detector_.model_.pnet, level.height, level.width)->second;
        std::int32_t* positions = workspace.positions.reserve(static_cast<std::size_t>(width));
        detector_.pnet_.run(
            level.height, level.width, band.from, band.to,
            [&](int y, float* row, std::ptrdiff_t stride) { resample_row(workspace, y, row, stride); },
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
        Workspace& workspace = *workspaces_[0];
        workspace.resampler.prepare(image_, whole(image_), level.height, level.width);
        const int width = size->second;
        std::int32_t* positions = workspace.positions.reserve(static_cast<std::size_t>(width));
        std::vector<float> heat_map;
        std::vector<Candidate> candidates;
        detector_.pnet_layers_.run_watched(
            level.height, level.width,
            [&](int y, float* row, std::ptrdiff_t stride) { resample_row(workspace, y, row, stride); },
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
            const std::string prefix = numbered("pnet/level%02d/", number);
            show(prefix + "boxes", raw.boxes);
            show(prefix + "scores", raw.scores);
            show(prefix + "offsets", raw.offsets);
            show(prefix + "nms_keep", keep);
        }
        return picked(raw, keep);
    }

    // --- RNet and ONet ----------------------------------------------------------------------------------------

    void resample_crop(const Box& square, const CropNetwork& network, int side, Workspace& workspace,
                       float* input) const {
        workspace.resampler.prepare(image_, cut(square), side, side);
        for (int y = 0; y < side; ++y) {
            resample_row(workspace, y, input + std::ptrdiff_t{3} * y * network.row_size(), network.row_size());
        }
    }

    CropResults run_crops(const std::vector<Box>& squares, const CropNetwork& network, const CropNetwork& layers,
                          int side, const char* stage, bool with_landmarks) {
        CropResults results;
        results.scores.resize(squares.size());
        results.offsets.resize(squares.size());
        if (with_landmarks) results.landmarks.resize(squares.size());
        const auto take = [&](std::size_t crop, const float* out) {
            results.scores[crop] = probability_in_double(out[0], out[1]);
            results.offsets[crop] = {out[2], out[3], out[4], out[5]};
            if (with_landmarks) results.landmarks[crop] = landmarks_of(squares[crop], out + 6);
        };
        const int count = static_cast<int>(squares.size());
        if (tap_) {
            for (std::size_t crop = 0; crop < squares.size(); ++crop) {
                const std::string prefix = std::string(stage) + numbered("/crop%03d/", static_cast<int>(crop));
                const std::vector<float> out = layers.run_watched(
                    [&](int, float* input) { resample_crop(squares[crop], network, side, *workspaces_[0], input); },
                    [&](const std::string& layer, const TensorView& maps) { tap_(prefix + layer, maps); });
                take(crop, out.data());
            }
            return results;
        }
        const int at_most = threads() == 1
                                ? network.group_size()
                                : std::min(network.group_size(), (count + 2 * threads() - 1) / (2 * threads()));
        const int groups = count == 0 ? 0 : (count + at_most - 1) / at_most;
        parallel_for(groups, threads(), [&](int group, int worker) {
            Workspace& workspace = *workspaces_[static_cast<std::size_t>(worker)];
            const int from = part(count, group, groups);
            const int size = part(count, group + 1, groups) - from;
            const float* out = network.run(
                size,
                [&](int crop, float* input) {
                    resample_crop(squares[static_cast<std::size_t>(from + crop)], network, side, workspace, input);
                },
                workspace.crops);
            const std::ptrdiff_t stride = padded(network.stages().back().out_maps);
            for (int crop = 0; crop < size; ++crop) take(static_cast<std::size_t>(from + crop), out + crop * stride);
        });
        return results;
    }

    static std::vector<std::int32_t> reaching(const std::vector<float>& scores, float threshold) {
        std::vector<std::int32_t> keep;
        for (std::size_t i = 0; i < scores.size(); ++i) {
            if (scores[i] >= threshold) keep.push_back(static_cast<std::int32_t>(i));
        }
        return keep;
    }

    std::vector<Box> refine(const std::vector<Box>& squares) {
        if (profile_) profile_->boxes_into_rnet = static_cast<int>(squares.size());
        show("rnet/boxes_in", squares);
        const CropResults results =
            run_crops(squares, detector_.rnet_, detector_.rnet_layers_, *kRNet.input_size, "rnet", false);
        show("rnet/scores", results.scores);
        show("rnet/offsets", results.offsets);
        const std::vector<std::int32_t> keep = reaching(results.scores, options_.thresholds[1]);
        show("rnet/keep", keep);
        return suppress_and_move({picked(squares, keep), picked(results.scores, keep), picked(results.offsets, keep)},
                                 "rnet");
    }

    Detections finish(const std::vector<Box>& squares) {
        if (profile_) profile_->boxes_into_onet = static_cast<int>(squares.size());
        show("onet/boxes_in", squares);
        const CropResults results =
            run_crops(squares, detector_.onet_, detector_.onet_layers_, *kONet.input_size, "onet", true);
        show("onet/scores", results.scores);
        show("onet/offsets", results.offsets);
        std::vector<std::int32_t> keep;
        std::vector<Box> moved;
        for (const std::int32_t i : reaching(results.scores, options_.thresholds[2])) {
            const auto index = static_cast<std::size_t>(i);
            const Box box = apply_offsets(squares[index], results.offsets[index], true);
            if (!is_usable(box)) continue;
            keep.push_back(i);
            moved.push_back(box);
        }
        show("onet/keep", keep);
        show("onet/landmarks", results.landmarks);
        const std::vector<float> scores = picked(results.scores, keep);
        const std::vector<std::int32_t> best = non_maximum_suppression(moved, scores, 0.7F, Overlap::kMinimum);
        show("onet/nms_keep", best);
        const std::vector<Box> boxes_out = picked(moved, best);
        show("onet/boxes_out", boxes_out);
        Detections detections;
        std::transform(boxes_out.begin(), boxes_out.end(), std::back_inserter(detections.boxes), final_box);
        detections.scores = picked(scores, best);
        detections.landmarks = picked(picked(results.landmarks, keep), best);
        show("final/boxes", detections.boxes);
        show("final/scores", detections.scores);
        show("final/landmarks", detections.landmarks);
        return detections;
    }

    const Detector& detector_;
    const Image& image_;
    const Options& options_;
    const Tap& tap_;
    Profile* profile_;
    float limit_ = logit_limit(options_.thresholds[0]);
    std::vector<std::unique_ptr<Workspace>> workspaces_;
};

Detections Detector::detect(const Image& image, const Options& options, const Tap& tap, Profile* profile) const {
    options.check();
    return Run(*this, image, options, tap, profile).detect();
}

}  // namespace mtcnn
