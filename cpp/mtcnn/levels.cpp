#include "levels.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

#include "exp.h"

namespace mtcnn {
namespace {

// Amount of work for which an additional thread pays off: about 0.1 ms.
constexpr double kPixelsPerThread = 4096;  // pixels of the pyramid
constexpr int kBandRows = 32;              // minimum rows of a heat map for a separate task
constexpr int kFilterPositions = 160;      // in smaller heat maps the filter saves no time

class Levels {
public:
    Levels(Run& run, const std::vector<Level>& levels)
        : run_(run),
          levels_(levels),
          threshold_(run.options.thresholds[0]),
          limit_(logit_limit(threshold_)),
          filter_(std::isfinite(limit_) ? run.detector.filter() : nullptr),
          scratch_(run.workspace(0).proposals) {}

    const Proposals& propose() {
        if (scratch_.survivors.size() < levels_.size()) scratch_.survivors.resize(levels_.size());
        for (Proposals& survivors : scratch_.survivors) survivors.clear();
        check_candidates();
        if (run_.hook) {
            for (std::size_t i = 0; i < levels_.size(); ++i) run_level_with_hook(static_cast<int>(i));
        } else {
            run_bands();
        }
        return all_survivors();
    }

private:
    struct Band {
        std::size_t level;
        int from, to;  // rows of the heat map
    };

    // Size of a level's heat map, or nothing if the level is too small for the network.
    std::optional<std::pair<int, int>> heat_map_size(const Level& level) const {
        return map_size(run_.detector.model().pnet, level.height, level.width);
    }

    // If the first threshold accepts every value, the number of candidates is known in advance: check the memory for
    // them.
    void check_candidates() {
        if (!std::isinf(limit_) || limit_ < 0) return;
        double count = 0;
        for (const Level& level : levels_) {
            if (const auto size = heat_map_size(level)) count += static_cast<double>(size->first) * size->second;
        }
        run_.budget.check(count * kBytesPerCandidate);
    }

    // The filter for a level, or null: compute all positions.
    const HeatMapFilter* filter_of(const Level& level) const {
        const auto [height, width] = *heat_map_size(level);
        return std::int64_t{height} * width < kFilterPositions ? nullptr : filter_;
    }

    double bytes_to_run(const Level& level) const {
        const HeatMapFilter* filter = filter_of(level);
        const double of_network = filter ? filter->bytes_to_run(level.height, level.width)
                                         : run_.detector.pnet().bytes_to_run(level.height, level.width);
        return of_network + Resampler::bytes_for(level.width);
    }

    double bytes_to_run_with_hook(const Level& level) const {
        const auto size = heat_map_size(level);
        const double heat_map = 4.0 * size->first * size->second;
        return run_.detector.pnet().bytes_to_run_with_hook(level.height, level.width) +
               Resampler::bytes_for(level.width) + heat_map;
    }

    void run_bands() {
        double pixels = 0;
        double bytes = 0;
        for (const Level& level : levels_) {
            pixels += static_cast<double>(level.height) * level.width;
            if (heat_map_size(level)) bytes = std::max(bytes, bytes_to_run(level));
        }
        const int threads = run_.threads_for(pixels / kPixelsPerThread);
        run_.budget.announce(threads * bytes);
        const std::vector<Band> bands = make_bands(pixels, threads);
        std::vector<Candidates>& found = scratch_.found;
        if (found.size() < bands.size()) found.resize(bands.size());
        for (Candidates& candidates : found) candidates.clear();  // may remain from a cancelled detection
        const auto run_one = [&](int index, int worker) {
            const auto i = static_cast<std::size_t>(index);
            run_band(bands[i], run_.workspace(worker), found[i]);
        };
        run_.task_group.run(static_cast<int>(bands.size()), threads, std::ref(run_one));  // std::ref does not allocate
        Stopwatch stopwatch;
        const auto suppress_one = [&](int index, int worker) {
            const auto i = static_cast<std::size_t>(index);
            const auto [first, last] = std::equal_range(bands.begin(), bands.end(), Band{i, 0, 0}, by_level);
            const std::span<Candidates> of_level(found.data() + (first - bands.begin()),
                                                 static_cast<std::size_t>(last - first));
            if (std::all_of(of_level.begin(), of_level.end(), [](const Candidates& c) { return c.empty(); })) return;
            suppress_level(index, of_level, run_.workspace(worker));
        };
        run_.task_group.run(static_cast<int>(levels_.size()), threads, std::ref(suppress_one));
        if (run_.profile) run_.profile->proposals += stopwatch.lap();
    }

    static bool by_level(const Band& a, const Band& b) { return a.level < b.level; }

    // Ordered by level, then from top to bottom.
    std::vector<Band> make_bands(double pixels, int threads) const {
        std::vector<Band> bands;
        bands.reserve(levels_.size());
        for (std::size_t i = 0; i < levels_.size(); ++i) {
            const auto size = heat_map_size(levels_[i]);
            if (!size) continue;
            const double share = static_cast<double>(levels_[i].height) * levels_[i].width / pixels;
            int parts = threads == 1 ? 1 : static_cast<int>(std::ceil(share * 4 * threads));
            parts = std::clamp(size->first / kBandRows, 1, parts);
            for (int p = 0; p < parts; ++p) {
                bands.push_back({i, chunk_begin(size->first, p, parts), chunk_begin(size->first, p + 1, parts)});
            }
        }
        return bands;
    }

    void run_band(const Band& band, Workspace& workspace, Candidates& found) const {
        const Level& level = levels_[band.level];
        workspace.resampler.prepare(run_.image, full_patch(run_.image), level.height, level.width);
        const auto source = [&](int y, float* row, std::ptrdiff_t stride) {
            workspace.resize([&] { workspace.resampler.row(y, row, stride); });
        };
        if (const HeatMapFilter* filter = filter_of(level)) {
            const auto add = [&](int x, int y, const float* outputs, std::ptrdiff_t stride) {
                if (!(outputs[0] - outputs[stride] <= limit_)) return;
                run_.budget.announce(kBytesPerCandidate);
                add_if_reached(x, y, outputs, stride, found, workspace.cancellation_point);
            };
            filter->run(level.height, level.width, band.from, band.to, limit_, std::ref(source), std::ref(add),
                        workspace.planar, workspace.filter, workspace.cancellation_point);
            return;
        }
        const int width = heat_map_size(level)->second;
        std::int32_t* positions =
            workspace.positions.reserve(static_cast<std::size_t>(width), workspace.cancellation_point);
        const auto scan = [&](int y, const float* row, std::ptrdiff_t stride) {
            scan_row(y, row, stride, width, positions, found, workspace.cancellation_point);
        };
        run_.detector.pnet().run(level.height, level.width, band.from, band.to, std::ref(source), std::ref(scan),
                                 workspace.planar, workspace.cancellation_point);
    }

    // Adds a position of a heat map if its probability reaches the threshold. Its outputs are `stride` apart.
    void add_if_reached(int x, int y, const float* outputs, std::ptrdiff_t stride, Candidates& found,
                        CancellationPoint& cancellation_point) const {
        const auto value = [=](int map) { return outputs[map * stride]; };
        const float score = map_probability(value(0), value(1));
        if (score >= threshold_) found.add({x, y, score, {value(2), value(3), value(4), value(5)}});
        cancellation_point.advance(16);
    }

    void scan_row(int y, const float* row, std::ptrdiff_t stride, int width, std::int32_t* positions, Candidates& found,
                  CancellationPoint& cancellation_point) const {
        const int count = run_.detector.kernels().find_below(row, row + stride, limit_, width, positions);
        if (count > 0) run_.budget.announce(count * kBytesPerCandidate);
        for (int i = 0; i < count; ++i) {
            add_if_reached(positions[i], y, row + positions[i], stride, found, cancellation_point);
        }
    }

    // Runs a level and calls the hook with all of its layers.
    void run_level_with_hook(int number) {
        const Level& level = levels_[static_cast<std::size_t>(number)];
        const auto size = heat_map_size(level);
        if (!size) return;
        run_.budget.check(bytes_to_run_with_hook(level));
        const std::string prefix = numbered("pnet/level%02d/", number);
        Workspace& workspace = run_.workspace(0);
        CancellationPoint& cancellation_point = workspace.cancellation_point;
        workspace.resampler.prepare(run_.image, full_patch(run_.image), level.height, level.width);
        const int width = size->second;
        std::int32_t* positions = workspace.positions.reserve(static_cast<std::size_t>(width), cancellation_point);
        std::vector<float> heat_map;
        heat_map.reserve(static_cast<std::size_t>(size->first) * static_cast<std::size_t>(width));
        Candidates candidates;
        run_.detector.pnet().run_with_hook(
            level.height, level.width,
            [&](int y, float* row, std::ptrdiff_t stride) {
                workspace.resize([&] { workspace.resampler.row(y, row, stride); });
            },
            [&](int y, const float* row, std::ptrdiff_t stride) {
                for (int x = 0; x < width; ++x) {
                    heat_map.push_back(map_probability(row[x], row[stride + x]));
                    cancellation_point.advance(16);
                }
                scan_row(y, row, stride, width, positions, candidates, cancellation_point);
            },
            [&](const std::string& layer, const TensorView& maps) { run_.hook(prefix + layer, maps); },
            cancellation_point);
        run_.hook(prefix + "heat_map", contiguous_view(std::move(heat_map), {size->first, width}));
        Stopwatch stopwatch;
        suppress_level(number, {&candidates, 1}, workspace);
        if (run_.profile) run_.profile->proposals += stopwatch.lap();
    }

    void suppress_level(int number, std::span<Candidates> bands, Workspace& workspace) const {
        const Level& level = levels_[static_cast<std::size_t>(number)];
        CancellationPoint& cancellation_point = workspace.cancellation_point;
        const Proposals& raw =
            to_proposals(bands, heat_map_size(level)->second, level.scale, workspace.proposals, cancellation_point);
        std::vector<std::int32_t>& keep = workspace.proposals.keep;
        non_maximum_suppression(raw.boxes, raw.scores, 0.5F, Overlap::kUnion, cancellation_point, keep);
        if (run_.hook) {
            const std::string stage = numbered("pnet/level%02d", number);
            run_.show(stage, "boxes", raw.boxes);
            run_.show(stage, "scores", raw.scores);
            run_.show(stage, "offsets", raw.offsets);
            run_.show(stage, "nms_keep", keep);
        }
        Proposals& survivors = scratch_.survivors[static_cast<std::size_t>(number)];
        select(raw.boxes, keep, survivors.boxes, cancellation_point);
        select(raw.scores, keep, survivors.scores, cancellation_point);
        select(raw.offsets, keep, survivors.offsets, cancellation_point);
    }

    const Proposals& all_survivors() const {
        std::size_t count = 0;
        for (const Proposals& level : scratch_.survivors) count += level.boxes.size();
        check_count(count);
        Proposals& all = scratch_.all;
        all.clear();
        all.boxes.reserve(count);
        all.scores.reserve(count);
        all.offsets.reserve(count);
        for (const Proposals& level : scratch_.survivors) {
            append_in_steps(all.boxes, level.boxes, run_.cancellation_point());
            append_in_steps(all.scores, level.scores, run_.cancellation_point());
            append_in_steps(all.offsets, level.offsets, run_.cancellation_point());
        }
        return all;
    }

    Run& run_;
    const std::vector<Level>& levels_;
    float threshold_;
    float limit_;                  // upper limit of the difference of logits
    const HeatMapFilter* filter_;  // or null: not usable
    ProposalScratch& scratch_;     // of the calling thread
};

}  // namespace

const Proposals& propose_on_levels(Run& run, const std::vector<Level>& levels) { return Levels(run, levels).propose(); }

}  // namespace mtcnn
