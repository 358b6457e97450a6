/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Viewers for the relay bench: opens WebSockets to a server on loopback, reads
 * all that comes until they are closed, and prints how many bytes that was.
 *
 *   relay-viewers PORT PATH VIEWERS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int
open_viewer (int port, const char *path)
{
  struct sockaddr_in address = {.sin_family = AF_INET,
      .sin_port = htons (port),
      .sin_addr = {htonl (INADDR_LOOPBACK)}};
  char request[512], reply[1024];
  int length, got = 0;
  int fd = socket (AF_INET, SOCK_STREAM, 0);

  if (fd < 0 || connect (fd, (struct sockaddr *)&address, sizeof address) < 0)
    return -1;
  length = snprintf (request, sizeof request,
      "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n",
      path, port);
  if (write (fd, request, length) != length)
    return -1;
  /* One byte at a time: what follows the reply is counted later. */
  while (got < (int)sizeof reply - 1 && read (fd, reply + got, 1) == 1) {
    got++;
    if (got >= 4 && memcmp (reply + got - 4, "\r\n\r\n", 4) == 0)
      break;
  }
  reply[got] = 0;
  return strncmp (reply, "HTTP/1.1 101", 12) == 0 ? fd : -1;
}

int
main (int argc, char **argv)
{
  static char buffer[1 << 20];
  struct epoll_event event = {.events = EPOLLIN}, events[64];
  uint64_t bytes = 0;
  int poll, open = 0, viewers;

  if (argc < 4)
    return 2;
  viewers = atoi (argv[3]);
  poll = epoll_create1 (0);
  for (int n = 0; n < viewers; n++) {
    int fd = open_viewer (atoi (argv[1]), argv[2]);

    if (fd < 0) {
      fprintf (stderr, "viewer %d: %s\n", n, strerror (errno));
      return 1;
    }
    event.data.fd = fd;
    epoll_ctl (poll, EPOLL_CTL_ADD, fd, &event);
    open++;
  }
  while (open > 0) {
    int ready = epoll_wait (poll, events, 64, 120000);

    if (ready <= 0) {
      fprintf (stderr, "nothing came for 120 s\n");
      return 1;
    }
    for (int n = 0; n < ready; n++) {
      ssize_t got = read (events[n].data.fd, buffer, sizeof buffer);

      if (got > 0) {
        bytes += got;
      } else {
        close (events[n].data.fd);
        open--;
      }
    }
  }
  printf ("%llu\n", (unsigned long long)bytes);
  return 0;
}
