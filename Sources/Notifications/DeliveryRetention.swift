import JobQueue

extension RetentionRule {
    /// Deliveries that are over; one that is still to be sent stays.
    package static let notificationDeliveries = RetentionRule(
        table: "notification_deliveries", isOld: "t.created_at < c.cutoff", mayGo: "t.status <> 'PENDING'")
}
