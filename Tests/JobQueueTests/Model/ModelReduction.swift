/// Makes a history that comes apart as short and as plain as it can.
struct ModelReduction {
    /// Replays a history; nil: model and queue agree.
    let replay: ([ModelStep]) async throws -> ModelHistory
    /// How many replays may be spent.
    var budget = 400

    /// Steps that still come apart, and how they do.
    mutating func reduce(_ steps: [ModelStep]) async throws -> (steps: [ModelStep], divergence: ModelDivergence)? {
        guard var best = try await attempt(steps) else { return nil }
        // Drops runs of steps, long ones first, until no single step can go.
        var size = max(best.steps.count / 2, 1)
        while true {
            var isShorter = false
            var start = 0
            while start < best.steps.count {
                var shorter = best.steps
                shorter.removeSubrange(start..<min(start + size, shorter.count))
                if let found = try await attempt(shorter) {
                    best = found
                    isShorter = true
                } else {
                    start += size
                }
            }
            if size == 1 && !isShorter { break }
            size = max(size / 2, 1)
        }
        for place in best.steps.indices.reversed() {
            for plainer in best.steps[place].plainer {
                var changed = best.steps
                changed[place] = plainer
                // One that comes apart earlier may have become shorter than this place.
                if place < best.steps.count, let found = try await attempt(changed) { best = found }
            }
        }
        return best
    }

    /// The steps up to where they come apart; nil when they do not, or when enough was tried.
    private mutating func attempt(_ steps: [ModelStep]) async throws -> (steps: [ModelStep], divergence: ModelDivergence)? {
        guard budget > 0, !steps.isEmpty else { return nil }
        budget -= 1
        guard let found = try await replay(steps).end else { return nil }
        return (Array(steps[...found.step]), found.divergence)
    }
}

extension ModelStep {
    /// Steps that do less of the same.
    fileprivate var plainer: [ModelStep] {
        var plainer: [ModelStep] = []
        if fault != .none { plainer.append(ModelStep(action)) }
        switch action {
        case .enqueue(let job, _, let delay, let key):
            plainer += [
                ModelStep(.enqueue(job: job, priority: nil, delay: 0, key: nil), fault),
                ModelStep(.enqueue(job: job, priority: nil, delay: delay, key: key), fault),
            ]
        case .end(let worker, let runs, let ends) where runs.count > 1:
            plainer += runs.indices.map { ModelStep(.end(worker: worker, runs: [runs[$0]], as: [ends[$0]]), fault) }
        case .claim(let worker, let batch) where batch > 1: plainer.append(ModelStep(.claim(worker: worker, batch: 1), fault))
        default: break
        }
        return plainer
    }
}
