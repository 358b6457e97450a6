/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The prompt box: sends a prompt, follows it until it is on the screen, and
 * remembers what was sent.
 */

const STORE = 'dreamverse-prompts';
const REMEMBER = 12;
const IDEAS = [
  'A moonlit lake under mountains, fireflies over the still water',
  'A stormy sea, huge waves under dark clouds',
  'Cherry blossom on gentle hills in spring, a sunny morning',
  'Aurora over an icy glacier, a starry night',
  'A neon city by a river at night in the rain',
  'A canyon at sunset, a flock of birds',
  'A nebula in deep space, a planet with rings among stars',
];

function load() {
  try {
    const list = JSON.parse(localStorage.getItem(STORE) ?? '[]');
    return Array.isArray(list)
      ? list.filter((item) => typeof item === 'string').slice(0, REMEMBER) : [];
  } catch {
    return [];
  }
}

/* Events: send (detail: {prompt, prompt_id}). */
export class Prompts extends EventTarget {
  constructor({ form, box, status, history }) {
    super();
    Object.assign(this, { form, box, status, history });
    this.list = load();
    this.sent = null; /* the prompt being followed */
    this.number = 0;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      }
    });
    this.showHistory();
  }

  submit() {
    const prompt = this.box.value.trim();
    if (!prompt)
      return;
    this.number++;
    const id = `v${Date.now().toString(36)}-${this.number}`;
    const detail = { prompt, prompt_id: id, taken: false };
    this.dispatchEvent(new CustomEvent('send', { detail }));
    if (!detail.taken) {
      this.say('Not sent: there is no connection.', true);
      return;
    }
    this.sent = { prompt, id, segment: null };
    this.box.value = '';
    this.remember(prompt);
    this.say(`Sent “${prompt}”.`);
  }

  remember(prompt) {
    this.list = [prompt, ...this.list.filter((item) => item !== prompt)]
      .slice(0, REMEMBER);
    try {
      localStorage.setItem(STORE, JSON.stringify(this.list));
    } catch {
      /* private windows may refuse: the list then lives as long as the page */
    }
    this.showHistory();
  }

  /* What was sent, newest first, filled up with ideas. */
  showHistory() {
    const sent = new Set(this.list.map((prompt) => prompt.toLowerCase()));
    const ideas = IDEAS.filter((idea) => !sent.has(idea.toLowerCase()))
      .slice(0, Math.max(0, IDEAS.length - this.list.length));
    this.history.replaceChildren(
      ...this.list.map((prompt) => this.entry(prompt, '')),
      ...ideas.map((idea) => this.entry(idea, 'idea')));
  }

  entry(prompt, kind) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = kind;
    button.textContent = prompt;
    button.title = kind ? 'An idea: click to use it' : 'Use this prompt again';
    button.addEventListener('click', () => {
      this.box.value = prompt;
      this.box.focus();
    });
    item.append(button);
    return item;
  }

  say(text, bad = false) {
    if (this.status.textContent !== text)
      this.status.textContent = text;
    this.status.classList.toggle('bad', bad);
  }

  received(message) {
    if (!this.sent || (message.prompt_id ?? this.sent.id) !== this.sent.id)
      return;
    const depth = message.queue_depth ?? 0;
    this.say(depth > 1
      ? `“${this.sent.prompt}” waits behind ${depth - 1} other`
        + `${depth > 2 ? 's' : ''}.`
      : `“${this.sent.prompt}” takes effect with the next segment.`);
  }

  refused(text) {
    if (this.sent && !this.sent.segment) {
      this.say(`Refused: ${text}`, true);
      this.sent = null;
    }
  }

  /* Generation of a segment began. */
  started(segment) {
    if (this.sent && !this.sent.segment && segment.prompt === this.sent.prompt)
      this.sent.segment = segment;
  }

  /* Called a few times a second: where the followed prompt is. */
  follow(segments, time) {
    const { sent } = this;
    if (!sent?.segment)
      return;
    const { segment, prompt } = sent;
    if (segment === segments.playing) {
      this.say(`“${prompt}” is on the screen.`);
      this.sent = null;
    } else if (segment.from !== undefined) {
      const wait = Math.max(0, Math.ceil(segment.from - time));
      this.say(`“${prompt}” is on the screen in ${wait} s.`);
    } else {
      this.say(`“${prompt}” is being made: segment ${segment.index}.`);
    }
  }
}
