import JobQueue

/// What a run does with the campaign that the store already has today.
enum CampaignStep: Equatable {
    /// This very execution verified it and only its end was not recorded.
    case alreadyDone
    /// It was accepted: its later attempts only list.
    case listOnly(StagedProducts)
    /// Its upload's fate is unknown: list first, then send the same body again.
    case listThenResend(StagedProducts)
    /// It was planned and surely not sent, and its start lies ahead: send it.
    case send(StagedProducts)
    /// It was never sent, or nobody can tell any more what was; it is given up for the reason given, and another is built.
    case rebuild(String)
    /// An earlier execution sent it, or may have: look whether it is listed, then build another and compare.
    case lookThenRebuild(StagedProducts)
    /// It is verified: build another and compare.
    case compare

    /// Pure: from what the campaign's row says and who asks. The stored body is for later attempts of the execution that planned it; a
    /// later execution reads the source again, for somebody may have mended it.
    static func next(after campaign: StoredCampaign, execution: ExecutionID) -> CampaignStep {
        let isOwn = campaign.executionID == execution
        if campaign.status == "VERIFIED" {
            // The swap takes the stored products away: with them still there, somebody wrote VERIFIED by hand.
            guard !campaign.isSwapped else { return isOwn ? .alreadyDone : .compare }
            return .rebuild("it was marked VERIFIED by hand, and the store's products were not swapped")
        }
        guard let staged = campaign.staged else { return .rebuild("its stored products cannot be read") }
        if campaign.status == "SENT" { return isOwn ? .listOnly(staged) : .lookThenRebuild(staged) }
        if campaign.wasUnderWay { return isOwn ? .listThenResend(staged) : .lookThenRebuild(staged) }
        if !isOwn { return .rebuild("an earlier run planned it and never sent it") }
        return campaign.hasStarted ? .rebuild("its start had passed before it could be sent") : .send(staged)
    }
}

/// Refuses a catalogue that shrank too much (PARTNERS §4), until an operator confirms.
struct DropGuard {
    let maxDropPercent: Int
    let isConfirmed: Bool

    enum Verdict: Equatable {
        case publish
        case skip(String)
        case refuse(String)
    }

    /// `now`: accepted lines; `before`: those of the store's newest VERIFIED campaign, nil when there is none.
    func judge(now: Int, before: Int?) -> Verdict {
        guard let before else { return now > 0 ? .publish : .skip("no product of the store has a club price") }
        if now == 0 && isConfirmed { return .skip("no product of the store has a club price, as confirmed") }
        guard (before - now) * 100 > before * maxDropPercent, !isConfirmed else {
            return now > 0 ? .publish : .skip("no product has a club price")
        }
        return .refuse(
            "only \(now) products have a club price, \(before) had at the last verified campaign: more than \(maxDropPercent) % less; "
                + "look at the ERP, or confirm with params {\"confirm_drop\": true}")
    }
}
