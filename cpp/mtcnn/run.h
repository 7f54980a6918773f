// One detection: what its stages share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cascade.h"
#include "memory.h"
#include "parallel.h"
#include "standing.h"
#include "stop.h"
#include "views.h"
#include "workspace.h"

namespace mtcnn {

// What was asked for; all of it outlives the run.
struct Request {
    const Detector& detector;
    const Image& image;
    const Options& options;
    const Tap& tap;
    Profile* profile;  // or null
    const Interruption& interruption;
};

class Run : public Request {
public:
    explicit Run(const Request& request);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // How many threads are worth waking for work that would keep so many busy; they have a workspace each then.
    int threads_for(double work);

    Workspace& workspace(int worker) const { return *workspaces_[static_cast<std::size_t>(worker)]; }

    // The calling thread's.
    Checkpoint& checkpoint() const { return workspaces_[0]->checkpoint; }

    // Shows a result to the tap, if there is one.
    template <class T>
    void show(std::string_view stage, std::string_view name, const std::vector<T>& values) const {
        if (tap) tap(std::string(stage).append("/").append(name), view_of(values));
    }

    // Over all threads.
    double resize_seconds() const;

    Alarm alarm{interruption};
    Budget budget{options.memory_limit};

private:
    void borrow(int threads);

    Standing& standing_;
    Workspaces workspaces_;  // one a thread that was worth it so far

public:
    Team team{alarm, standing_.crew};
};

}  // namespace mtcnn
