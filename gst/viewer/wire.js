/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The socket: connects, hands over text and bytes in order, and comes back
 * after a restart of the server, waiting a little longer each time.
 */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const SETTLED = 5000; /* a connection that held this long starts over */

export function socketAddress(place, query) {
  const url = new URL(query.get('path') || '/ws', place.href);
  url.protocol = place.protocol === 'https:' ? 'wss:' : 'ws:';
  const token = query.get('token');
  if (token)
    url.searchParams.set('token', token);
  return url.href;
}

/* Events: open, text (detail: the object), bytes (detail: Uint8Array),
 * closed (detail: {code, reason, opened, reachable, wait}). */
export class Wire extends EventTarget {
  constructor(address) {
    super();
    this.address = address;
    this.socket = null;
    this.timer = 0;
    this.wait = FIRST_WAIT;
    this.stopped = false;
    addEventListener('online', () => this.retryNow());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden)
        this.retryNow();
    });
  }

  get connected() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.stopped = false;
    const socket = new WebSocket(this.address);
    let openedAt = 0;
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      openedAt = performance.now();
      this.tell('open');
    };
    socket.onmessage = (event) => {
      if (socket === this.socket)
        this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.socket)
        this.lost(event, openedAt);
    };
  }

  receive(data) {
    if (typeof data !== 'string') {
      this.tell('bytes', new Uint8Array(data));
      return;
    }
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; /* not ours: ignored, as every unknown message */
    }
    if (message && typeof message.type === 'string')
      this.tell('text', message);
  }

  async lost(event, openedAt) {
    const opened = openedAt > 0;
    const { code, reason } = event;
    this.socket = null;
    if (opened && performance.now() - openedAt > SETTLED)
      this.wait = FIRST_WAIT;
    if (this.stopped)
      return;
    const wait = this.wait * (0.85 + 0.3 * Math.random());
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.timer = setTimeout(() => this.connect(), wait);
    /* A browser does not say why a handshake failed; the health page tells a
     * server that refuses from one that is not there. */
    const reachable = opened || await this.reachable();
    this.tell('closed', { code, reason, opened, reachable, wait });
  }

  async reachable() {
    try {
      const answer = await fetch('/healthz',
        { cache: 'no-store', signal: AbortSignal.timeout(3000) });
      return answer.ok;
    } catch {
      return false;
    }
  }

  retryNow() {
    if (this.timer) {
      this.wait = FIRST_WAIT;
      this.connect();
    }
  }

  send(message) {
    if (!this.connected)
      return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.timer = 0;
    this.socket?.close();
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
