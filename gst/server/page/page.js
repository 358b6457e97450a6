/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session: starts it, says where it stands, steers it.
 */

import { Player } from './player.js';

const find = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const player = new Player(find('video'), showTrouble);
let socket = null;
let live = false; /* a project is under way */
let next = null; /* the prompt of the next project, once this one is idle */
let paused = false;
let total = 0;

/* What a test, or a person at the console, may look at. */
export const seen = { types: [], bytes: 0, errors: [] };
globalThis.dreamverse = { seen, player };

function address() {
  const url = new URL('ws', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = '';
  if (query.get('token'))
    url.searchParams.set('token', query.get('token'));
  return url.href;
}

function showState(text) {
  find('state').textContent = text;
}

function showTrouble(text) {
  if (text)
    seen.errors.push(text);
  find('trouble').textContent = text;
  find('trouble').hidden = !text;
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN)
    socket.send(JSON.stringify(message));
}

function show() {
  const open = !!socket;
  find('go').textContent = live ? 'Rewrite' : 'Generate';
  find('pause').hidden = !open || !live;
  find('pause').textContent = paused ? 'Go on' : 'Pause';
  find('again').hidden = !open || !live;
  find('leave').hidden = !open;
}

/* Nobody may take a drawing for a model. */
async function showModel(slot) {
  try {
    const url = new URL('status', location.href);
    url.search = query.get('token') ? location.search : '';
    const status = await (await fetch(url, { cache: 'no-store' })).json();
    const { current_model_id: name, procedural } = status.gpu_status[slot];
    find('model').textContent = procedural
      ? 'a drawing made from words, not by a model' : name ?? '';
    find('model').hidden = !find('model').textContent;
  } catch {
    find('model').hidden = true;
  }
}

function project(type, text) {
  live = true;
  paused = false;
  find('segments').replaceChildren();
  find('save').hidden = true;
  send({ type, preset_id: 'custom_editable', preset_label: 'Custom rollout',
    curated_prompts: [], initial_rollout_prompt: text, initial_image: null,
    single_clip_mode: false, enhancement_enabled: true,
    auto_extension_enabled: false, loop_generation_enabled: false });
  showState('Writing the story');
  show();
}

function addSegment({ segment_idx: index, prompt }) {
  const list = find('segments');
  const item = document.createElement('li');
  list.querySelector('[aria-current]')?.removeAttribute('aria-current');
  item.value = index;
  item.textContent = prompt;
  item.setAttribute('aria-current', 'step');
  list.append(item);
}

function offerClip() {
  const link = find('save');
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(player.clip());
  link.hidden = false;
}

const handlers = {
  queue_status({ position }) {
    showState(position > 0 ? `In the queue: place ${position}` : 'Connected');
  },
  gpu_assigned({ gpu_id: slot }) {
    showState('Starting');
    showModel(slot);
  },
  ltx2_stream_start() {
    player.reset();
    find('segments').replaceChildren();
    find('save').hidden = true;
    showState('Generating');
  },
  ltx2_segment_start(message) {
    total = Math.max(message.total_segments, message.segment_idx);
    showState(`Generating segment ${message.segment_idx} of ${total}`);
    addSegment(message);
  },
  media_init({ mime }) {
    player.init(mime);
  },
  ltx2_stream_complete() {
    player.finish();
    offerClip();
    showState('Complete');
  },
  generation_paused_updated(message) {
    paused = message.paused;
    show();
  },
  rewrite_seed_prompts_started() {
    showState('Writing the story');
  },
  rewrite_seed_prompts_complete({ error }) {
    if (error)
      showTrouble(error);
  },
  prompt_sources_blocked() {
    showState('Waiting for a prompt');
  },
  project_idle() {
    live = false;
    player.reset();
    showState('Ready');
    show();
    if (next !== null) {
      const text = next;
      next = null;
      project('project_init_v1', text);
    }
  },
  session_timeout({ message }) {
    showTrouble(message);
  },
  error({ message }) {
    showTrouble(message);
  },
};

function received(data) {
  if (typeof data !== 'string') {
    seen.bytes += data.byteLength;
    player.append(data);
    return;
  }
  const message = JSON.parse(data);
  seen.types.push(message.type);
  handlers[message.type]?.(message);
}

function connect(text) {
  const opened = new WebSocket(address());
  socket = opened;
  opened.binaryType = 'arraybuffer';
  opened.onopen = () => project('session_init_v2', text);
  opened.onmessage = (event) => received(event.data);
  opened.onclose = async () => {
    if (socket !== opened)
      return;
    socket = null;
    live = false;
    player.finish();
    if (player.kept.length)
      offerClip();
    show();
    showState('Session ended');
    if (!seen.types.length)
      showTrouble(await whyClosed());
  };
  showState('Connecting');
}

/* A browser does not say why a handshake failed. */
async function whyClosed() {
  try {
    const answer = await fetch('readyz', { cache: 'no-store' });
    const { detail } = await answer.json();
    return detail ?? 'The server did not take the connection.';
  } catch {
    return 'The server cannot be reached.';
  }
}

find('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = find('prompt').value.trim() || find('prompt').placeholder;
  showTrouble('');
  if (!socket)
    connect(text);
  else if (live)
    send({ type: 'rewrite_seed_prompts', rewrite_instruction: text });
  else
    project('project_init_v1', text);
});
find('pause').addEventListener('click', () =>
  send({ type: 'set_generation_paused', paused: !paused }));
find('again').addEventListener('click', () => {
  next = find('prompt').value.trim() || find('prompt').placeholder;
  send({ type: 'end_project_keep_session' });
});
find('leave').addEventListener('click', () => socket?.close());
show();
