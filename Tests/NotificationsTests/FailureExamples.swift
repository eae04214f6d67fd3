@testable import Notifications

/// Errors as executions store them: every code, and the sentences that words are taken from.
enum FailureExamples {
    static let all: [FailureReason] = partners + own

    private static let partners: [FailureReason] = [
        ("UNREACHABLE", "Integration RP, login: POST http://rp.example: Couldn't connect to server"),
        ("TLS_FAILED", "Integration RP, login: POST https://rp.example: SSL certificate problem: certificate has expired"),
        ("TIMEOUT", "Integration RP, products of unit 7 after code 0: GET http://rp.example: Operation timed out after 30001 milliseconds"),
        ("CONNECTION_LOST", "Integration CRESCEVENDAS, upload of 7: POST https://club.example: Empty reply from server"),
        ("CANCELLED", "Integration RP, login: POST http://rp.example: cancelled"),
        ("TOO_LARGE", "Integration RP, products of unit 7 after code 0: GET http://rp.example: more than 67108864 bytes. It begins: {"),
        ("NOT_HTTP", "Integration RP, login: POST http://rp.example: Received HTTP/0.9 when not allowed"),
        ("NOT_JSON", "Integration RP, login: the answer (200) is not JSON. It begins: <html>"),
        ("NOT_UTF8", "Integration RP, products of unit 7 after code 0: the answer (200) is not UTF-8. It begins: {"),
        ("WRONG_SHAPE", "Integration CRESCEVENDAS, listing of 7: the listing has no lines; see listing_shape. It begins: {}"),
        ("REDIRECTED", "Integration RP, login: the partner redirects (302) to /x, which is not followed; correct base_url or the path."),
        ("LOGIN_REFUSED", "Integration RP, login: the partner refuses user name or password (500): Usuário inválido"),
        ("LOGIN_WITHOUT_TOKEN", "Integration RP, login: the answer holds no token at response.token; correct token_response_field."),
        (
            "TOKEN_REFUSED",
            "Integration RP, products of unit 7 after code 0: the partner refuses the token of a fresh login (401); check token_header."
        ),
        ("TOKEN_REFUSED", "Integration RP, products of unit 7 after code 0: the partner refuses static_token (401); enter a new one."),
        ("RP_ERROR", "Integration RP, products of unit 7 after code 0: the partner reports an error: Unidade não cadastrada."),
        ("REFUSED", "Integration CRESCEVENDAS, upload of 7: the partner reports an error."),
        ("HTTP_401", "Integration CRESCEVENDAS, upload of 7: the partner answered 401."),
        ("HTTP_404", "Integration RP, login: the partner answered 404."),
        ("HTTP_413", "Integration CRESCEVENDAS, upload of 7: the partner answered 413."),
        ("HTTP_418", "Integration CRESCEVENDAS, upload of 7: the partner answered 418."),
        ("HTTP_422", "Integration CRESCEVENDAS, upload of 7: the partner answered 422: Loja não encontrada"),
        ("HTTP_429", "Integration CRESCEVENDAS, upload of 7: the partner answered 429."),
        ("HTTP_500", "Integration RP, login: the partner answered 500."),
        ("HTTP_503", "Integration RP, login: the partner answered 503: Servidor em manutenção."),
        ("CURSOR_STUCK", "Integration RP, products of unit 7 after code 9: the page does not lead beyond code 9. The page begins: {"),
        (
            "NOT_ASCENDING",
            "Integration RP, products of unit 7 after code 9: code 3 comes after 9, but codes must ascend. The page begins: {"
        ),
        (
            "TOO_MANY_PAGES",
            "Integration RP, products of unit 7 after code 9: more than 5000 pages; raise max_pages if the store is that large. "
                + "The page begins: {"
        ),
        ("CONFIGURATION", "Integration RP, configuration: config.login_endpoint is missing; correct it with 'chimera integration edit'."),
        ("CONFIGURATION", "Integration RP, login: POST http://x y: URL using bad/illegal format."),
    ].map { FailureReason(code: $0.0, message: $0.1) }

    private static let own: [FailureReason] = [
        ("TIMEOUT", "it did not end within 15 min (timeout_seconds)"),
        ("NOT_LISTED", "the club accepted the campaign but its listing does not show 1 of 4796 lines as sent"),
        (
            "CATALOGUE_DROPPED",
            "only 0 products have a club price, 4784 had at the last verified campaign: more than 50 % less; look at the ERP, or confirm "
                + "with params {\"confirm_drop\": true}"
        ),
        ("CATALOGUE", "product 789 came twice with different prices (1.00 and 2.00); mend it in the ERP"),
        ("CATALOGUE", "more than 200000 products were accepted, which no store has"),
        ("CAMPAIGN_CHANGED", "campaign 9 is no longer SENT; somebody changed its row"),
        ("TARGET_CHANGED", "it was planned for club, and the job's target is club-2 now; start a new execution of the job"),
        (
            "NOTHING_TO_COMPARE",
            "nothing is offered, and EXTRA_IN_TARGET, which would say so, is switched off in the job's config"
        ),
        ("WINDOW_UNREADABLE", "the listing has the start_date \"x\", which is no time that can be read"),
        ("SYNC_LIVE", "it was not compared: a sync of the store did not end within 900 s (timeout_seconds)"),
        ("TOO_LATE", "it is too late for a campaign of today: it would start after its end"),
        ("STORE_UNKNOWN", "there is no store with id 99"),
        ("STORE_INACTIVE", "store Centro is inactive; activate it or leave it out"),
        ("STORE_CONFIG", "the config of store Centro cannot be read; mend it"),
        ("STORE_WITHOUT_DOCUMENT", "store Centro has no document and its registration 7 has not 14 digits; set stores.document"),
        ("TIME_ZONE", "the time zone X of store Centro is not known on this host; install tzdata or correct it"),
        ("INTEGRATION", "integration RP is inactive"), ("INTEGRATION", "there is no integration named RP2"),
        ("INTEGRATION", "integration RP is of type CRESCEVENDAS, RP is needed"),
        ("INTEGRATION", "there is no active integration of type RP"),
        ("INTEGRATION", "there is more than one active integration of type RP; name the one to use as config.source of the job"),
        ("INTEGRATION", "integration RP cannot be used: its config has encrypted values and there is no key; set CHIMERA_KEY_FILE"),
        ("CONFIG", "config.program: it must be the name of a program in CHIMERA_CUSTOM_DIR"),
        ("CONFIG", "config.verify must be required or when_readable; mend the job's configuration"),
        ("CONFIG_UNREADABLE", "the config of job x is no JSON object that can be read; mend it"),
        ("PARAMS_UNREADABLE", "its params are no JSON object that can be read"),
        ("LOGIN_BUSY", "another worker's login did not end within a minute"),
        ("RATE_LIMIT", "CRESCEVENDAS takes 30 requests a minute; its turn comes later"),
        ("BREAKER_OPEN", "RP failed too often in a row; it is left alone for a while"),
        ("QUARANTINED", "three workers in a row were lost while they ran it"),
        ("WORKER_LOST", "the worker that ran it stopped renewing its lease"), ("INTERRUPTED", "the run was interrupted"),
        ("NO_SLOT", "its worker had no free slot for it; it is handed back"),
        ("DATABASE", "PostgreSQL: ERROR 23505 duplicate key value violates unique constraint \"products_pkey\""),
        ("DATABASE", "one of its statements did not end within 30 s, while PostgreSQL answered others"),
        ("DATABASE_AWAY", "PostgreSQL: server closed the connection unexpectedly"),
        ("RESULT_REFUSED", "PostgreSQL refused its result: unsupported Unicode escape sequence"),
        ("INTERNAL", "DecodingError.keyNotFound(CodingKeys(stringValue: \"x\"))"), ("JOB_DELETED", "job configuration 9 no longer exists"),
        ("UNSUPPORTED", "this version of chimera does not run X jobs yet"), ("NOOP_FAILED", "the drill asked this attempt to fail"),
        ("NOT_STARTED", "backup.sh cannot be started: Exec format error"),
        ("GUARD_LOST", "the process that guards backup.sh was lost; backup.sh and its process group were killed"),
        ("CUSTOM_DIR", "CHIMERA_CUSTOM_DIR is not set on this worker; set it to the folder of such programs"),
        ("PROGRAM_NOT_FOUND", "there is no program backup.sh in /opt/jobs on this worker"),
        ("PROGRAM_REFUSED", "/opt/jobs/backup.sh may be written by its group or by others; take that right away (chmod go-w)"),
        ("EXIT_3", "backup.sh left with exit code 3; it said last: disco cheio"), ("EXIT_65", "backup.sh left with exit code 65"),
        ("SIGSEGV", "backup.sh was ended by SIGSEGV"), ("SIGKILL", "backup.sh was ended by SIGKILL; it said last: 90 %"),
        ("CHILDREN_FAILED", "1 of 3 stores did not succeed"),
    ].map { FailureReason(code: $0.0, message: $0.1) }
}
