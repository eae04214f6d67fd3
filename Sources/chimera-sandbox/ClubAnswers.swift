/// CresceVendas' answers, in its own shapes.
enum ClubAnswers {
    static var unauthorized: Answer { error(401, "Unauthorized") }

    static func error(_ status: Int, _ sentence: String) -> Answer {
        .json(status) { answer in
            answer.object("response") { response in
                response.field("code", status)
                response.field("error", sentence)
            }
        }
    }

    static func unprocessable(_ sentences: [String], status: Int = 422) -> Answer {
        .json(status) { answer in
            answer.object("response") { response in
                response.field("code", 422)
                response.array("errors") { errors in
                    for sentence in sentences { errors.object { $0.field("message", sentence) } }
                }
            }
        }
    }

    static func accepted(id: Int, lines: Int) -> Answer {
        .json(200) { answer in
            answer.object("response") { response in
                response.field("code", 200)
                response.field("message", "Upload realizado com sucesso")
                response.field("discount_store_id", id)
                response.field("lines", lines)
            }
        }
    }
}
