/// Statements that are sent one behind the other before the first is answered (libpq's pipeline mode): one round trip for all of them.
extension Session {
    private struct Step {
        let text: String
        let parameters: Parameters
        let plan: StatementCache.Plan
    }

    /// Runs statements in one go: they stand together or not at all, unless the last of `first` left a transaction open. Gives the rows of
    /// each but those of `first`, which have no parameters.
    func pipeline(
        _ statements: [SQL], after first: [String] = [], _ connection: LibpqConnection, _ operation: Operation
    ) throws(PostgresError) -> [PostgresRows] {
        try raiseServerLimit(connection, operation)
        try dropForgottenStatements(connection, operation)
        var steps = first.map { Step(text: $0, parameters: .none, plan: .unprepared) }
        for statement in statements {
            let text = statement.text
            try refuseNul(text)
            let plan: StatementCache.Plan = ownsBackend ? self.statements.plan(for: text) : .unprepared
            steps.append(Step(text: text, parameters: try Parameters(statement.parameters), plan: plan))
        }
        try connection.enterPipeline()
        do throws(PostgresError) {
            for step in steps { try send(step, connection) }
            try connection.endPipeline()
        } catch {
            connection.abandonPipeline()
            throw error
        }
        try connection.flush(operation)
        var rows: [PostgresRows] = []
        var failure: PostgresError?
        for step in steps {
            let (result, error) = try answer(to: step, connection, operation)
            failure = failure ?? error
            if let result { rows.append(PostgresRows(result)) }
        }
        try connection.leavePipeline(operation)
        if let failure { throw failure }
        return Array(rows.dropFirst(first.count))
    }

    private func send(_ step: Step, _ connection: LibpqConnection) throws(PostgresError) {
        switch step.plan {
        case .unprepared: try connection.send(step.text, step.parameters, prepared: nil)
        case .prepared(let name): try connection.send(step.text, step.parameters, prepared: name)
        case .prepare(let name):
            try connection.sendPrepare(step.text, name: name)
            try connection.send(step.text, step.parameters, prepared: name)
        }
    }

    /// Nil with nil: it was passed over, for one before it failed.
    private func answer(
        to step: Step, _ connection: LibpqConnection, _ operation: Operation
    ) throws(PostgresError) -> (ResultHandle?, PostgresError?) {
        if case .prepare(let name) = step.plan {
            let (result, error) = try connection.pipelinedResult(operation)
            if result != nil { statements.prepared(step.text, name: name) }
            if let error {
                _ = try connection.pipelinedResult(operation)
                return (nil, error)
            }
        }
        let (result, error) = try connection.pipelinedResult(operation)
        if let error, error.isStaleStatement { statements.forget(step.text, isKept: error.isStalePlan) }
        return (result, error)
    }
}
