/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that the service manager has opened for us (LISTEN_FDS), found by the address
 * they are bound to.
 */
#ifndef SLUICED_DAEMON_ACTIVATION_H
#define SLUICED_DAEMON_ACTIVATION_H

/* Once, before a process is started: keeps what we inherited from handlers. */
void activation_init(void);

/*
 * The inherited socket for an address of daemon.listen, "unix:PATH[?...]" or "HOST:PORT", or -1
 * when there is none and the caller opens its own. It is a stream socket that listens already,
 * non-blocking and close-on-exec; the caller owns it and closes it. No chmod, no chown and no
 * unlink of its path: mode, owner and life of the file are the socket unit's. Each socket is given
 * once.
 *
 * HOST is an address, or localhost, which is 127.0.0.1 and [::1]. A socket that is bound to all
 * addresses is for 0.0.0.0:PORT or [::]:PORT alone.
 */
int activation_take(const char *listen_address);

/* After the last activation_take(): closes what nobody has taken, with a warning for each. */
void activation_close_unused(void);

#endif
