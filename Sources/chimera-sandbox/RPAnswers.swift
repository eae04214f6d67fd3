/// RP's answers other than pages of products, in its own shapes.
enum RPAnswers {
    static var unauthorized: Answer {
        .json(401) { answer in
            answer.field("appVersion", "5.0.6.117")
            answer.field("content", "Não autorizado")
        }
    }

    static var wrongPassword: Answer {
        .json(500) { answer in
            answer.field("error", "Não foi possível autenticar o usuário")
            answer.field(
                "stackTrace",
                "br.com.rpinfo.services.auth.AutenticacaoException\n\tat br.com.rpinfo.services.auth.Login.entra(Login.java:71)")
        }
    }

    static func login(_ version: RPTokens.Version, token: String?, expiration: String) -> Answer {
        .json(200) { answer in
            answer.object("response") { response in
                response.field("status", "ok")
                response.array("messages") { $0.object { $0.field("message", "Autenticação bem sucedida") } }
                if version == .fourHours {
                    if let token { response.field("token", token) }
                    response.field("tokenExpiration", expiration)
                } else {
                    response.object("content") { content in
                        if let token { content.field("token", token) }
                        content.field("tokenExpiration", expiration)
                    }
                }
            }
        }
    }

    /// Goes out with HTTP 200, as the real service does.
    static func businessError(_ messages: [String]) -> Answer {
        .json(200) { answer in
            answer.object("response") { response in
                response.field("status", "error")
                response.array("messages") { list in
                    for message in messages { list.object { $0.field("message", message) } }
                }
            }
        }
    }
}
