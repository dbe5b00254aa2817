# SPDX-License-Identifier: MIT
"""A piece of network between a daemon and a server, which a test can make fail.

    relay = Relay(("127.0.0.1", port))     # relay.port is where the daemon connects to
    relay.is_mute = True                   # new connections are accepted, and nothing more happens
    relay.half_close()                     # the daemon is told that nothing more comes
    relay.stop()
"""

import socket
import threading


class Relay:
    def __init__(self, server):
        self.server = server
        self.is_mute = False
        self.accepted = 0
        self.sockets, self.to_daemon, self.lock = [], [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._run(self._accept)

    @staticmethod
    def _run(function, *args):
        threading.Thread(target=function, args=args, daemon=True).start()

    def _keep(self, *sockets):
        with self.lock:
            self.sockets += sockets

    def _accept(self):
        while True:
            try:
                daemon, _ = self.listener.accept()
            except OSError:
                return
            self._keep(daemon)
            self.accepted += 1
            if self.is_mute:
                continue
            server = socket.create_connection(self.server)
            self._keep(server)
            self.to_daemon.append(daemon)
            self._run(self._pass_on, daemon, server)
            self._run(self._pass_on, server, daemon)

    @staticmethod
    def _pass_on(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def half_close(self):
        """Ends the direction to the daemon of all connections that there are."""
        ended, self.to_daemon = self.to_daemon, []
        for daemon in ended:
            try:
                daemon.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for each in self.sockets:
                each.close()
