// State that the stages of one detection share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cancellation.h"
#include "cascade.h"
#include "memory.h"
#include "process_state.h"
#include "task_group.h"
#include "views.h"
#include "workspace.h"

namespace mtcnn {

// Arguments of a detection. They must outlive the run.
struct Request {
    const Detector& detector;
    const Image& image;
    const Options& options;
    const Hook& hook;
    Profile* profile;  // or null
    const CancellationOptions& cancellation;
};

class Run : public Request {
public:
    explicit Run(const Request& request);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    // Number of threads to use for an amount of work, measured in threads that it keeps busy. Each gets a workspace.
    int threads_for(double work);

    Workspace& workspace(int worker) const { return *workspaces_[static_cast<std::size_t>(worker)]; }

    // Cancellation point of the calling thread.
    CancellationPoint& cancellation_point() const { return workspaces_[0]->cancellation_point; }

    // Calls the hook with a result, if there is a hook.
    template <class T>
    void show(std::string_view stage, std::string_view name, const std::vector<T>& values) const {
        if (hook) hook(std::string(stage).append("/").append(name), view_of(values));
    }

    // Sum over all threads.
    double resize_seconds() const;

    CancellationToken token{cancellation};
    Budget budget{options.memory_limit};

private:
    void acquire_workspaces(int threads);

    PersistentState& state_;
    Workspaces workspaces_;  // one for each thread used so far

public:
    TaskGroup task_group{token, state_.pool};
};

}  // namespace mtcnn
