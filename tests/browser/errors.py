#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What went wrong is said in words, and the page comes back by itself."""

from stream import Stream, free_port
from viewer import Viewer, check, need_browser

need_browser()

# One append of bytes that are no MP4.
DAMAGE = '''
const { appendBuffer } = SourceBuffer.prototype;
SourceBuffer.prototype.appendBuffer = function () {
  SourceBuffer.prototype.appendBuffer = appendBuffer;
  return appendBuffer.call(this, new Uint8Array(64).fill(7));
};
'''
port = free_port()

with Viewer(960, 700) as view:
    # Nothing comes in the first seven seconds: the page is there to see it.
    with Stream(port=port, source='pace=8',
                video='identity error-after=60') as stream:
        view.open(stream.url)
        view.wait('return !document.getElementById("alert").hidden', 30,
                  'the error to be shown')
        text = view.text('#alert-text')
        check(len(text) > 20 and text.endswith(']'),
              f'the error is shown in words: {text}')
        check(stream.process.wait(20) != 0, 'the pipeline failed')
    view.wait_until('!wire.connected', 20)
    check(view.text('#link-text') == 'Not connected', 'no connection is said')
    view.wait('return /Trying again/.test('
              'document.getElementById("alert-more").textContent)', 20)
    check(view.text('#alert-text') == text, 'the first error stays')

    with Stream(port=port) as stream:
        view.wait_until("wire.connected && player.state === 'playing'", 40,
                        'to come back after a restart')
        view.wait('return document.getElementById("alert").hidden', 10)
        check(view.text('#link-text') == 'Live', 'live again after a restart')
        before = view.state()['time']
        view.wait_until(f'player.video.currentTime > {before + 2}', 15)
        check(True, 'the new stream plays')
    view.wait('return /server/.test(document.getElementById("alert-text")'
              '.textContent) && !document.getElementById("alert").hidden', 30)
    check(True, f'a server that went away: {view.text("#alert-text")}')

    with Stream(source='segments=4') as stream:
        view.open(stream.url)
        view.wait_until("player.state === 'ended'", 40, 'the end')
        check(stream.process.wait(20) == 0, 'the pipeline ended well')
    view.wait_until('!wire.connected', 20)
    check(view.text('#curtain-text') == 'The stream has ended.'
          and view.text('#link-text') == 'Stream ended'
          and not view.js('return dreamverse.status.alarmed'),
          'an end is no fault')

    with Stream(sink='token=moonlight') as stream:
        view.open(stream.url)
        view.wait('return /refused/.test('
                  'document.getElementById("alert-text").textContent)', 20)
        check('token' in view.text('#alert-text'), 'a missing token is named')
        view.open(stream.url + '?token=moonlight')
        view.wait_playing()
        check(True, 'the right token plays')

        view.js(DAMAGE)
        view.wait_until("/Began anew/.test(document.getElementById('notice')"
                        ".textContent)", 40, 'the damage to be noticed')
        view.wait_playing()
        check(True, 'plays again after: ' + view.text('#notice'))
        view.js(DAMAGE.replace('fill(7)', 'fill(0)'))
        view.wait_until("!document.getElementById('alert').hidden", 15)
        check(view.text('#link-text') == 'Cannot play',
              'a second time it is said: ' + view.text('#alert-text'))
        view.cdp('Page.addScriptToEvaluateOnNewDocument', source=
                 'delete window.MediaSource; delete window.ManagedMediaSource')
        view.open(stream.url + '?token=moonlight', monitor=False)
        check('Media Source' in view.text('#alert-text'),
              'a browser without MSE: ' + view.text('#alert-text'))
