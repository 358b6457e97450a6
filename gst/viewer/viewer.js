/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The page: brings socket, player, segments, clip and panels together.
 *
 * Address: ?mode=sequence appends by MSE's own clock instead of the stream's,
 * ?token=… is passed to the socket, ?path=/other names another sink.
 */

import { Clip } from './clip.js';
import { Controls, recall } from './controls.js';
import { Units } from './fmp4.js';
import { Graphs } from './graphs.js';
import { Player } from './player.js';
import { Prompts } from './prompts.js';
import { Segments } from './segments.js';
import { $, Status } from './status.js';
import { Timeline } from './timeline.js';
import * as words from './words.js';
import { socketAddress, Wire } from './wire.js';

/* ms: playback that fails once in this time begins anew by itself. */
const TROUBLE_REST = 30000;

const query = new URLSearchParams(location.search);
const video = $('video');

const page = {
  control: true, /* may this viewer steer? the server says so in its hello */
  held: false, /* the generator is paused */
  complete: false,
  fatal: false, /* what went wrong will not pass by itself */
  fresh: true, /* the next media belongs to a new connection */
  askedReset: 0, /* the epoch that this viewer asked for … */
  troubled: -Infinity, /* when playback failed last */
  skipped: 0, /* times this viewer was brought forward */
  jumpTo: null, /* … and its first segment: go there as soon as it plays */
};
const wire = new Wire(socketAddress(location, query));
const player = new Player(video,
  { sequence: query.get('mode') === 'sequence' });
const segments = new Segments();
const clip = new Clip();
const timeline = new Timeline($('timeline'), $('segments'), segments);
const graphs = new Graphs($('graphs'));
const prompts = new Prompts({ form: $('prompt-form'), box: $('prompt'),
  status: $('prompt-status'), history: $('history') });
const status = new Status({ wire, player, segments, page });

function retheme() {
  timeline.theme();
  graphs.theme();
}

const controls = new Controls({ wire, player, segments, clip, page, status,
  retheme });
let units = new Units();

/* ---- from the server ---- */

wire.addEventListener('open', () => {
  page.fresh = true;
  page.complete = false;
  page.held = false;
  units = new Units();
  status.calm();
  status.show();
  status.showControl();
});

wire.addEventListener('text', ({ detail: message }) => {
  if (segments.take(message))
    status.showModel();
  switch (message.type) {
  case 'dreamverse_hello':
    page.control = message.control !== false;
    status.showControl();
    break;
  case 'ltx2_stream_start':
    page.complete = false;
    break;
  case 'ltx2_segment_start':
    prompts.started(segments.get(message));
    break;
  case 'media_init':
    mediaInit(message);
    break;
  case 'ltx2_stream_complete':
    page.complete = true;
    player.finish();
    break;
  case 'media_skipped':
    page.skipped++;
    clip.broken();
    status.notice('This connection was too slow for a moment. The stream went '
      + 'on at its newest picture.');
    break;
  case 'prompt_received':
    prompts.received(message);
    break;
  case 'generation_paused_updated':
    page.held = message.paused === true;
    status.showControl();
    break;
  case 'seed_prompts_reset_applied':
    status.notice('A new scene begins.');
    break;
  case 'error':
    if (!message.segment_idx)
      prompts.refused(message.message ?? '');
    status.alarm(words.failure(message), { retry: false, passing: true });
    break;
  default:
    break;
  }
  status.show();
});

function mediaInit(message) {
  page.complete = false;
  if (page.fresh || message.mime !== player.mime) {
    page.fresh = false;
    status.calm();
    still();
    clip.clear();
    segments.replaced();
    player.open(message.mime);
  }
  if (page.askedReset && segments.media.epoch >= page.askedReset) {
    page.jumpTo = segments.media;
    page.askedReset = 0;
  }
}

wire.addEventListener('bytes', ({ detail: bytes }) => {
  const segment = segments.media;
  graphs.bytes(bytes.length);
  segments.bytes(segment, bytes.length);
  let found;
  try {
    found = units.push(bytes);
  } catch (error) {
    units = new Units();
    player.trouble('stream-damaged', error.message);
    return;
  }
  for (const unit of found) {
    clip.add(segment?.id ?? '', unit);
    player.append({ ...unit, segment });
  }
});

wire.addEventListener('closed', ({ detail }) => {
  const reason = words.closed(detail);
  const wait = Math.max(1, Math.round(detail.wait / 1000));
  const again = `Trying again in ${wait} s.`;
  segments.retire();
  player.finish();
  if (page.complete) { /* that nobody is there is no fault */
    status.link('held', 'Stream ended');
    status.notice('Watching for a new stream.');
    status.show();
    return;
  }
  if (status.alarmed) /* the first error says most */
    status.add(`${reason} ${again}`);
  else
    status.alarm(reason, { more: again });
  status.link('lost', 'Not connected');
  status.show();
});

/* ---- from the player ---- */

player.addEventListener('state', () => status.show());

player.addEventListener('appended', ({ detail: { unit, start, end } }) => {
  const { jumpTo } = page;
  segments.appended(unit.segment, start, end);
  if (jumpTo && unit.segment === jumpTo && end - jumpTo.from > 2) {
    page.jumpTo = null;
    if (jumpTo.from > video.currentTime + 1)
      player.seek(jumpTo.from, 'scene');
  }
});

player.addEventListener('jumped', ({ detail: { seconds, why } }) => {
  if (why === 'live')
    status.notice(`Skipped ${words.seconds(seconds)} to be live again.`);
});

player.addEventListener('trouble', ({ detail }) => {
  const again = detail.code !== 'codec-unsupported'
    && performance.now() - page.troubled > TROUBLE_REST;
  page.troubled = performance.now();
  if (again) {
    controls.retry();
    status.notice(`${words.trouble(detail)} Began anew.`);
    return;
  }
  page.fatal = true;
  status.alarm(words.trouble(detail), { more: detail.text });
  status.link('lost', 'Cannot play');
  status.show();
});

/* The last picture stays on the screen while the next player gets ready. */
function still() {
  const canvas = $('still');
  if (!video.videoWidth)
    return;
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  canvas.hidden = false;
}
video.addEventListener('playing', () => { $('still').hidden = true; });
video.addEventListener('volumechange', () => status.show());

prompts.addEventListener('send', ({ detail }) => {
  const { prompt, prompt_id } = detail;
  detail.taken = wire.send({ type: 'append_prompt', prompt, prompt_id });
});

/* ---- the clockwork ---- */

setInterval(() => {
  const segment = player.state === 'idle' ? null
    : segments.at(video.currentTime);
  if (player.state === 'playing' && segment)
    status.caption(segment.prompt);
  prompts.follow(segments, video.currentTime);
  $('clock').textContent = segment ? `Segment ${segment.index}` : '–';
  $('save').disabled = clip.seconds === 0;
  $('save-text').textContent = clip.seconds
    ? `Save last ${Math.round(clip.seconds)} s` : 'Save';
  if (!document.hidden) {
    timeline.draw(player);
    timeline.describe();
  }
}, 250);

setInterval(() => {
  graphs.sample(player);
  const quality = video.getVideoPlaybackQuality?.();
  if (quality)
    $('health').textContent = `${quality.totalVideoFrames} frames, `
      + `${quality.droppedVideoFrames} dropped, ${player.stalls} stalls`;
}, 500);

matchMedia('(prefers-color-scheme: light)').addEventListener('change', retheme);

/* For tests and for a look from the console. */
globalThis.dreamverse = { wire, player, segments, clip, graphs, prompts, page,
  status, controls };

if (recall('theme'))
  document.documentElement.dataset.theme = recall('theme');
retheme();
video.muted = recall('sound') !== 'on';
status.showControl();
if (Player.supported) {
  wire.connect();
  status.show();
} else {
  status.alarm(words.NO_MSE, { retry: false });
  status.link('lost', 'Cannot play');
}
