#pragma once
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdint.h>
#include <string.h>

// MHD_start_daemon and the info calls are variadic, which Swift does not import: typed wrappers for the one way in which we call them.

/// Starts a server on 127.0.0.1 (port 0: the system chooses) with a pool of epoll threads. NULL when the port is taken.
static inline struct MHD_Daemon *chimera_mhd_start(uint16_t port, unsigned int threads, unsigned int connections,
                                                   MHD_AccessHandlerCallback handler, void *handler_context,
                                                   MHD_RequestCompletedCallback completed, void *completed_context) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, port, NULL, NULL, handler, handler_context,
                            MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, completed,
                            completed_context, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, connections,
                            MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_END);
}

/// The port that the server listens on, 0 when it is unknown.
static inline uint16_t chimera_mhd_port(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *found = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    return found ? found->port : 0;
}

/// The socket of a connection, -1 when it is unknown.
static inline int chimera_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *found = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return found ? found->connect_fd : -1;
}

/// Calls `each` with every header of the request.
static inline void chimera_mhd_each_header(struct MHD_Connection *connection, MHD_KeyValueIterator each, void *context) {
    MHD_get_connection_values(connection, MHD_HEADER_KIND, each, context);
}

/// Calls `each` with every argument of the request's URL.
static inline void chimera_mhd_each_argument(struct MHD_Connection *connection, MHD_KeyValueIterator each, void *context) {
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, each, context);
}
