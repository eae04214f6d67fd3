import TestSupport

/// Random histories: mostly single steps, and now and then a few that belong together, so that what takes many steps comes about.
extension ModelStep {
    /// The same generator gives the same history.
    static func history(length: Int, using generator: inout SeededGenerator) -> [ModelStep] {
        var steps: [ModelStep] = []
        while steps.count < length {
            if Int.random(in: 0..<15, using: &generator) == 0 {
                steps += story(using: &generator).map { ModelStep($0, fault(for: $0, using: &generator)) }
            } else {
                let action = someAction(using: &generator)
                steps.append(ModelStep(action, fault(for: action, using: &generator)))
            }
        }
        return Array(steps.prefix(length))
    }

    /// Mostly none, else one that can befall the action.
    private static func fault(for action: ModelAction, using generator: inout SeededGenerator) -> ModelFault {
        guard Int.random(in: 0..<6, using: &generator) == 0 else { return .none }
        let row = Int.random(in: 0..<20, using: &generator)
        let faults: [ModelFault] =
            switch action {
            case .claim: [.rolledBack, .cutBefore, .cutAfter, .held(row)]
            case .enqueue, .cancel, .retry: [.rolledBack, .cutBefore, .cutAfter]
            case .end, .endAgain: [.cutBefore, .cutAfter]
            case .insert, .cancelByHand, .replace, .prioritize, .pause, .resume, .limit, .delete, .restore: [.rolledBack]
            case .maintain: [.held(row)]
            default: [.none]
            }
        return faults.randomElement(using: &generator) ?? .none
    }

    private static func someAction(using generator: inout SeededGenerator) -> ModelAction {
        func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }
        func perhaps(_ range: Range<Int>) -> Int? { Bool.random(using: &generator) ? number(range) : nil }
        let (worker, job, row) = (number(0..<2), number(1..<5), number(0..<20))
        switch number(0..<100) {
        case 0..<11: return .enqueue(job: job, priority: perhaps(-2..<3), delay: [0, 0, 0, 1, 2][number(0..<5)], key: perhaps(0..<3))
        case 11..<15: return .insert(job: job, store: perhaps(1..<4), key: number(0..<3) == 0 ? number(0..<3) : nil)
        case 15..<17: return .leaveInsertOpen(job: job, store: perhaps(1..<4))
        case 17..<20: return number(0..<4) == 0 ? .rollBackInsert : .commitInsert
        case 20..<39: return .claim(worker: worker, batch: number(1..<6))
        case 39..<58:
            let count = number(1..<4)
            return .end(
                worker: worker, runs: (0..<count).map { _ in number(0..<8) },
                as: (0..<count).map { _ in end(number(0..<13), number(1..<4)) })
        case 58..<61: return .endAgain(worker: worker, run: row, as: end(number(0..<13), number(1..<4)))
        case 61..<64: return .write(worker: worker, run: number(0..<8))
        case 64..<66: return .forgetLost(worker: worker)
        case 66..<68: return .reconcile(worker: worker)
        case 68..<70: return .lapse(worker: worker)
        case 70..<74: return .renew(worker: worker)
        case 74: return .restart(worker: worker)
        case 75..<80: return .maintain(housekeeping: number(0..<4) == 0)
        case 80..<82: return .cancel(row: row)
        case 82: return .cancelByHand(row: row)
        case 83..<86: return .retry(row: row)
        case 86: return number(0..<2) == 0 ? .prioritize(row: row) : .replace(job: job)
        case 87..<92: return .pass(hours: number(1..<3))
        default: return configure(job, number(0..<14), number(1..<4), perhaps(1..<4))
        }
    }

    private static func configure(_ job: Int, _ dice: Int, _ small: Int, _ limit: Int?) -> ModelAction {
        switch dice {
        case 0: .pause(job: job)
        case 1...3: .resume(job: job)
        case 4...5: .limit(job: job, to: limit)
        case 6...7: .limitPartner(small, to: limit)
        case 8: .activate(job: job, small == 1)
        case 9: .delete(job: job)
        default: .restore(job: job)
        }
    }

    private static func end(_ dice: Int, _ small: Int) -> ModelEnd {
        switch dice {
        case 0...2: .succeed
        case 3: .failForGood
        case 4...5: .mayPass
        case 6: .timeOut
        case 7: small == 1 ? .refuse : .interrupt
        case 8: .postpone(hours: small)
        default: .plan(small)
        }
    }

    /// What belongs together.
    private static func story(using generator: inout SeededGenerator) -> [ModelAction] {
        let worker = Int.random(in: 0..<2, using: &generator)
        let job = Int.random(in: 1..<5, using: &generator)
        let batch = Int.random(in: 1..<6, using: &generator)
        let changes: [(ModelAction, back: ModelAction)] = [
            (.pause(job: job), .resume(job: job)), (.limit(job: job, to: 1), .limit(job: job, to: nil)),
            (.delete(job: job), .restore(job: job)),
        ]
        let change = changes.randomElement(using: &generator) ?? changes[0]
        let plan: [ModelAction] = [
            .enqueue(job: job, priority: -3, delay: 0, key: nil), .claim(worker: worker, batch: 1),
            .end(worker: worker, runs: [0, 1, 2], as: [.plan(batch), .plan(1), .succeed]), .claim(worker: 1 - worker, batch: batch),
        ]
        switch Int.random(in: 0..<5, using: &generator) {
        case 0:
            // A run whose workers are lost one after the other.
            return (0..<3).flatMap { _ in
                [.claim(worker: worker, batch: batch), .restart(worker: worker), .maintain(housekeeping: false)] as [ModelAction]
            }
        case 1:
            // A worker that stands still while others go on, and comes back.
            return [
                .claim(worker: worker, batch: batch), .lapse(worker: worker), .maintain(housekeeping: false),
                .claim(worker: 1 - worker, batch: batch), .write(worker: worker, run: 0),
                .end(worker: worker, runs: [0, 1], as: [.succeed, .mayPass]), .renew(worker: worker),
                .end(worker: 1 - worker, runs: [0, 1], as: [.succeed, .mayPass]),
            ]
        case 2:
            // An INSERT that does not see a change of its job.
            return [
                .leaveInsertOpen(job: job, store: job == 4 ? 1 : nil), change.0, .commitInsert, .claim(worker: worker, batch: 5),
                .maintain(housekeeping: true), change.back, .claim(worker: worker, batch: 5),
            ]
        case 3: return plan
        default:
            // A family whose job is changed, and that ends.
            return plan + [
                change.0, .end(worker: 1 - worker, runs: [0, 1, 2], as: [.succeed, .interrupt, .succeed]), change.back,
                .renew(worker: worker),
            ]
                + (0..<4).flatMap { turn in
                    [
                        .claim(worker: worker, batch: 5),
                        .end(worker: worker, runs: [0, 1, 2, 3], as: Array(repeating: turn == 1 ? .failForGood : .succeed, count: 4)),
                    ]
                        as [ModelAction]
                }
        }
    }
}
