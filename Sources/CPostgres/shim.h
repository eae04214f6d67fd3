#pragma once
#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>

// EFD_* are members of an anonymous enum, which Swift cannot combine.
static inline int chimera_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
