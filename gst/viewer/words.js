/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What went wrong, in words for a person.
 */

const CLOSED = {
  1000: 'The server ended the session.',
  1001: 'The server is going down or restarting.',
  1002: 'The server and this page do not speak the same protocol.',
  1003: 'The server refused what this page sent.',
  1007: 'The server received a message it could not read.',
  1008: 'The server dropped this viewer: it fell too far behind the stream, or is not allowed here.',
  1009: 'A message of this page was too large for the server.',
  1011: 'The server ran into an internal error.',
  1012: 'The server is restarting.',
  1013: 'The server dropped this viewer, because it was too busy or this connection too slow.',
};

const CODES = {
  'codec-unsupported': 'This browser cannot play the stream’s codecs',
  'append-failed': 'The browser refused a piece of the stream',
  'decode-failed': 'The browser could not decode the stream',
  'media-failed': 'The browser’s player failed',
  'nothing-plays': 'Data arrives, but the browser makes no picture of it',
  'stream-damaged': 'The stream is damaged',
};

export const NO_MSE = 'This browser has no Media Source Extensions, which this '
  + 'page plays with. A current Chromium, Firefox or Safari has them.';

export function closed({ code, reason, opened, reachable }) {
  const why = reason ? ` It said: “${reason}”.` : '';
  if (opened)
    return (CLOSED[code] ?? 'The connection to the server was lost.') + why;
  return reachable
    ? 'The server is there but refused this page. A token may be missing or '
      + 'wrong (?token=… in the address), or it has as many viewers as it takes.'
    : 'The server cannot be reached. It may not be running.';
}

export function trouble({ code }) {
  return `${CODES[code] ?? 'Playback failed'}.`;
}

/* An `error` message of the server. */
export function failure(message) {
  const where = message.segment_idx ? ` Segment ${message.segment_idx}.` : '';
  const code = message.code ? ` [${message.code}]` : '';
  return (message.message || 'The server reported an error without a word.')
    + where + code;
}

export function seconds(value) {
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

export function millis(value) {
  return value < 9950 ? `${Math.round(value)} ms`
    : `${(value / 1000).toFixed(1)} s`;
}

export function size(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB`
    : `${(bytes / 1e6).toFixed(1)} MB`;
}
