/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a person can do to the page: buttons, keys, and what it remembers.
 */

import { $ } from './status.js';
import * as words from './words.js';

const SURE = 4000; /* ms in which a new scene can be confirmed */
const ASLEEP = 3000; /* ms without a move until the controls hide */

export function remember(name, value) {
  try {
    localStorage.setItem(`dreamverse-${name}`, value);
  } catch {
    /* not kept then */
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(`dreamverse-${name}`);
  } catch {
    return null;
  }
}

export class Controls {
  /* `app`: {wire, player, segments, clip, page, status, retheme}. */
  constructor(app) {
    this.app = app;
    const act = (name) => () => this[name]();
    const buttons = { play: 'togglePlay', start: 'togglePlay',
      mute: 'toggleSound', unmute: 'toggleSound', hold: 'toggleHold',
      reset: 'askReset', save: 'save', full: 'toggleFull',
      theme: 'toggleTheme', retry: 'retry', 'help-open': 'help' };
    for (const [id, name] of Object.entries(buttons))
      $(id).addEventListener('click', act(name));
    this.keys = { ' ': 'togglePlay', k: 'togglePlay', m: 'toggleSound',
      f: 'toggleFull', s: 'save', p: 'toggleHold', r: 'askReset',
      t: 'toggleTheme', '/': 'write', '?': 'help' };
    addEventListener('keydown', (event) => this.pressed(event));
    $('video').addEventListener('dblclick', act('toggleFull'));
    $('volume').addEventListener('input', () => {
      $('video').volume = Number($('volume').value);
      $('video').muted = $('video').volume === 0;
    });
    for (const type of ['pointermove', 'pointerdown', 'focusin'])
      $('stage').addEventListener(type, () => this.wake());
  }

  pressed(event) {
    const { target, key } = event;
    if (key === 'Escape' && target === $('prompt'))
      target.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || $('help').open
      || target.matches('textarea, input')
      || (key === ' ' && target.matches('button, a')))
      return;
    const name = this.keys[key.length === 1 ? key.toLowerCase() : key];
    if (name) {
      event.preventDefault();
      this[name]();
    }
  }

  write() {
    $('prompt').focus();
  }

  help() {
    $('help').showModal();
  }

  togglePlay() {
    const { player, status } = this.app;
    if (player.hold || player.state === 'blocked')
      player.play();
    else
      player.pause();
    status.show();
  }

  toggleSound() {
    const video = $('video');
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0)
      video.volume = 1;
    $('volume').value = video.volume;
    remember('sound', video.muted ? 'off' : 'on');
  }

  toggleHold() {
    const { page, wire } = this.app;
    if (page.control)
      wire.send({ type: 'set_generation_paused', paused: !page.held });
  }

  /* Asks first: a new scene is new for everybody. */
  askReset() {
    const { page, wire, segments } = this.app;
    if (!page.control)
      return;
    const asking = !this.sureTimer;
    clearTimeout(this.sureTimer);
    this.sureTimer = asking
      ? setTimeout(() => this.showSure(this.sureTimer = 0), SURE) : 0;
    this.showSure(asking);
    if (!asking && wire.send({ type: 'reset_to_seed_prompts' }))
      page.askedReset = segments.epoch + 1;
  }

  showSure(asking) {
    $('reset').classList.toggle('sure', !!asking);
    $('reset-text').textContent = asking ? 'Sure? For everybody' : 'New scene';
  }

  save() {
    const { clip, status } = this.app;
    const now = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-');
    const blob = clip.save(`dreamverse-${now}.mp4`);
    status.notice(blob ? `Saved ${words.seconds(clip.seconds)} of the stream, `
      + `${words.size(blob.size)}.` : 'There is nothing to save yet.');
  }

  toggleFull() {
    if (document.fullscreenElement)
      document.exitFullscreen();
    else if ($('stage').requestFullscreen)
      $('stage').requestFullscreen();
    else
      $('video').webkitEnterFullscreen?.(); /* iPhone */
  }

  toggleTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark'
      : !matchMedia('(prefers-color-scheme: light)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    remember('theme', root.dataset.theme);
    this.app.retheme();
  }

  retry() {
    const { wire, page, status } = this.app;
    status.calm();
    page.fresh = true;
    if (wire.connected) {
      wire.stop();
      wire.connect();
    } else {
      wire.retryNow();
    }
    status.show();
  }

  /* The controls show themselves when a finger or a pointer moves. */
  wake() {
    const stage = $('stage');
    stage.classList.add('awake');
    stage.classList.remove('asleep');
    clearTimeout(this.sleepTimer);
    this.sleepTimer = setTimeout(() => {
      stage.classList.remove('awake');
      stage.classList.toggle('asleep', this.app.player.state === 'playing'
        && !stage.querySelector(':focus-visible'));
    }, ASLEEP);
  }
}
