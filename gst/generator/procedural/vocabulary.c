/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words themselves, and finding one. What is done with them is in
 * words.c.
 */
#include "words.h"

#include <stdio.h>
#include <string.h>

#include "scene.h"

#define AT(field) (uint16_t) offsetof (DvScene, field)
#define RAISE(field, value)                                                    \
  {                                                                            \
    AT (field), DV_EFFECT_RAISE, value                                         \
  }
#define SET(field, value)                                                      \
  {                                                                            \
    AT (field), DV_EFFECT_SET, value                                           \
  }
#define ADD(field, value)                                                      \
  {                                                                            \
    AT (field), DV_EFFECT_ADD, value                                           \
  }

/* clang-format off */
static const DvWordGroup groups[] = {
  /* place */
  { "mountain alp alps alpine peak ridge summit highland himalaya sierra massif cliff crag fjord matterhorn fuji",
    true, { RAISE (mountains, 1) } },
  { "hill hillside knoll slope downs upland countryside tuscany tuscan vineyard moor heath",
    true, { RAISE (hills, 1) } },
  { "valley vale glen dale",
    true, { RAISE (hills, 0.8f), RAISE (mountains, 0.6f), RAISE (river, 0.3f) } },
  { "forest wood woodland jungle rainforest grove taiga thicket copse conifer wilderness",
    true, { RAISE (forest, 1), RAISE (birds, 0.2f) } },
  { "pine fir spruce cedar redwood evergreen sequoia",
    true, { RAISE (forest, 0.8f), RAISE (trees, 0.5f) } },
  { "desert dune sahara sand arid oasis gobi badlands namib",
    true, { RAISE (desert, 1), ADD (clouds, -0.2f) } },
  { "city town skyline skyscraper downtown urban metropolis street building tower tokyo manhattan york shanghai hong_kong cyberpunk megacity rooftop boulevard avenue",
    true, { RAISE (city, 1) } },
  { "neon cyberpunk_city synthwave vaporwave hologram holographic neon_lights neon_lit",
    true, { RAISE (neon, 1), RAISE (city, 0.8f), ADD (saturation, 0.3f) } },
  { "village hamlet cottage cabin hut chalet farmhouse settlement house",
    true, { RAISE (village, 1), RAISE (hills, 0.4f), RAISE (lanterns, 0.25f) } },
  { "meadow field grassland prairie pasture grass lawn garden steppe savanna savannah plain farmland wheat heather",
    true, { RAISE (meadow, 1) } },
  { "canyon gorge mesa butte ravine grand_canyon arizona monument_valley sandstone chasm gully",
    true, { RAISE (canyon, 1) } },
  { "ice icy iceberg glacier glacial arctic antarctic antarctica polar tundra frozen icefield greenland north_pole south_pole floe",
    true, { RAISE (ice, 1), ADD (saturation, -0.05f) } },
  { "space cosmos cosmic galaxy galactic universe interstellar outer_space planet orbit milky_way astronaut spaceship deep_space asteroid comet void saturn mars jupiter",
    true, { RAISE (space, 1), RAISE (stars, 1), SET (sun_height, -0.9f) } },
  { "nebula stardust supernova nebulous",
    true, { RAISE (nebula, 1), RAISE (space, 1), RAISE (stars, 1), SET (sun_height, -0.9f) } },
  { "volcano volcanic lava magma eruption erupt caldera crater molten",
    true, { RAISE (volcano, 1), RAISE (mountains, 0.5f), RAISE (fire, 0.8f), RAISE (dread, 0.4f) } },

  /* water */
  { "sea ocean atlantic pacific maritime open_sea offshore nautical sailing mediterranean caribbean",
    true, { RAISE (sea, 1) } },
  { "beach coast shore seaside coastal seashore island lagoon atoll bay cove reef",
    true, { RAISE (sea, 0.9f), RAISE (desert, 0.35f) } },
  { "tropical tropic hawaii maldives bali polynesia",
    true, { RAISE (palms, 0.9f), RAISE (sea, 0.6f), ADD (saturation, 0.2f) } },
  { "lake pond loch reservoir tarn mere lakeside pool",
    true, { RAISE (lake, 1), SET (waves, 0.12f) } },
  { "river stream brook creek rivulet canal delta riverbank waterfall cascade rapids",
    true, { RAISE (river, 1) } },
  { "harbour harbor port pier marina dock",
    true, { RAISE (sea, 0.8f), RAISE (village, 0.6f), RAISE (lanterns, 0.3f) } },
  { "water reflection reflect mirrored waterside aqua",
    false, { RAISE (lake, 0.5f) } },
  { "wave swell surf surge breaker whitecap billow choppy",
    false, { RAISE (waves, 0.6f), RAISE (sea, 0.5f) } },
  { "ripple rippling lapping",
    false, { RAISE (waves, 0.3f) } },
  { "mirror glassy mirrorlike still_water smooth unruffled",
    false, { SET (waves, 0.03f) } },
  { "flood wet puddle soaked drenched",
    false, { RAISE (lake, 0.4f) } },

  /* time of day */
  { "dawn daybreak first_light aurora_hour early_light cockcrow",
    false, { SET (sun_height, 0.03f), SET (hue, 0.95f), RAISE (tint, 0.2f), RAISE (birds, 0.2f) } },
  { "sunrise rising_sun sunup",
    false, { SET (sun_height, 0.07f), RAISE (birds, 0.2f) } },
  { "morning breakfast forenoon am",
    false, { SET (sun_height, 0.3f), RAISE (birds, 0.2f) } },
  { "noon midday day daylight daytime sunlit high_noon noonday broad_daylight",
    false, { SET (sun_height, 0.9f) } },
  { "sun sunny sunshine sunlight sunbeam sunray",
    false, { ADD (sun_height, 0.12f), ADD (clouds, -0.12f), RAISE (joy, 0.3f) } },
  { "afternoon late_day",
    false, { SET (sun_height, 0.5f) } },
  { "golden_hour golden_light magic_hour late_light",
    false, { SET (sun_height, 0.12f), SET (hue, 0.1f), RAISE (tint, 0.3f) } },
  { "sunset sundown setting_sun afterglow nightfall",
    false, { SET (sun_height, 0.015f), ADD (saturation, 0.15f) } },
  { "dusk evening gloaming eventide",
    false, { SET (sun_height, -0.12f), RAISE (stars, 0.15f) } },
  { "twilight blue_hour crepuscule",
    false, { SET (sun_height, -0.2f), RAISE (stars, 0.35f) } },
  { "night nighttime nocturnal nightly midnight after_dark tonight nocturne",
    false, { SET (sun_height, -0.75f), RAISE (stars, 0.7f), ADD (clouds, -0.1f) } },
  { "dark darkness shadow gloom gloomy dim murky black",
    false, { ADD (brightness, -0.2f), ADD (sun_height, -0.2f), RAISE (dread, 0.3f) } },
  { "moon moonlight moonlit moonrise lunar full_moon crescent",
    false, { RAISE (moon, 1), SET (sun_height, -0.55f), RAISE (stars, 0.45f) } },
  { "star starry starlight starlit stargazing constellation starfield",
    false, { RAISE (stars, 1), SET (sun_height, -0.75f), RAISE (awe, 0.2f) } },
  { "aurora northern_lights southern_lights borealis australis polar_lights",
    false, { RAISE (aurora, 1), SET (sun_height, -0.6f), RAISE (stars, 0.5f), RAISE (awe, 0.5f) } },
  { "rainbow prism prismatic",
    false, { RAISE (rainbow, 1), RAISE (joy, 0.3f) } },

  /* weather */
  { "cloud cloudy cumulus cirrus overcast cloudscape clouded",
    false, { RAISE (clouds, 0.75f) } },
  { "clear cloudless clear_sky clear_skies blue_sky",
    false, { SET (clouds, 0.06f), SET (fog, 0) } },
  { "rain rainy drizzle downpour shower rainfall raindrop monsoon deluge sleet rainstorm pouring",
    false, { RAISE (rain, 0.8f), RAISE (clouds, 0.75f) } },
  { "storm stormy tempest tempestuous squall gale hurricane typhoon cyclone",
    false, { RAISE (waves, 0.95f), RAISE (clouds, 0.95f), RAISE (wind, 0.9f), RAISE (rain, 0.35f), RAISE (thunder, 0.4f), RAISE (dread, 0.4f) } },
  { "thunder lightning thunderstorm thunderbolt thunderous",
    false, { RAISE (thunder, 1), RAISE (clouds, 0.9f), RAISE (rain, 0.5f), RAISE (dread, 0.4f) } },
  { "snow snowy snowfall snowflake flurry flurries snowing snowcapped snowbound winter wintry wintertime christmas",
    false, { RAISE (snow, 0.75f), RAISE (clouds, 0.4f), ADD (saturation, -0.1f) } },
  { "blizzard snowstorm whiteout",
    false, { RAISE (snow, 1), RAISE (wind, 0.9f), RAISE (clouds, 0.9f), RAISE (fog, 0.5f) } },
  { "frost hoarfrost rime cold chill chilly freezing",
    false, { RAISE (ice, 0.25f), ADD (saturation, -0.1f) } },
  { "fog mist haze vapour vapor hazy misty foggy smog steam brume",
    false, { RAISE (fog, 0.8f) } },
  { "smoke smoky ash soot",
    false, { RAISE (fog, 0.5f), RAISE (fire, 0.25f), ADD (saturation, -0.1f) } },
  { "wind windy breeze breezy gust gusty blustery draught airy windswept sandstorm",
    false, { RAISE (wind, 0.8f) } },
  { "windless airless",
    false, { SET (wind, 0.02f), SET (waves, 0.05f) } },

  /* life and light on the ground */
  { "flower flowery floral bloom bouquet wildflower tulip rose poppy lavender daisy sunflower lily orchid iris",
    false, { RAISE (flowers, 1), RAISE (meadow, 0.5f), RAISE (joy, 0.2f) } },
  { "blossom sakura cherry petal cherry_blossom hanami magnolia plum_blossom apple_blossom",
    true, { RAISE (blossom, 1), RAISE (trees, 0.9f), RAISE (flowers, 0.4f), RAISE (joy, 0.2f) } },
  { "spring springtime april may vernal",
    false, { RAISE (flowers, 0.5f), RAISE (birds, 0.4f), ADD (brightness, 0.06f), ADD (saturation, 0.08f) } },
  { "summer summertime summery july august midsummer",
    false, { ADD (sun_height, 0.15f), ADD (saturation, 0.12f), RAISE (meadow, 0.25f) } },
  { "autumn autumnal fall october november foliage maple harvest falling_leaves autumn_leaves",
    true, { RAISE (autumn, 1), RAISE (trees, 0.7f), ADD (saturation, 0.12f) } },
  { "tree oak birch willow orchard leafy leaf leaves branch bough bonsai olive",
    true, { RAISE (trees, 0.9f) } },
  { "palm palm_tree coconut",
    true, { RAISE (palms, 1) } },
  { "firefly fireflies glowworm lightning_bugs lightning_bug firefly_light will-o-wisp wisp fairy fairies",
    false, { RAISE (fireflies, 1) } },
  { "bird gull seagull swallow flock geese goose crow raven eagle heron swan crane birdsong owl lark",
    false, { RAISE (birds, 0.8f) } },
  { "lantern lamp candle torch paper_lantern sky_lantern streetlight lamplight candlelight fairy_lights glowing_windows lit_windows",
    false, { RAISE (lanterns, 1) } },
  { "fire campfire bonfire flame blaze burning ember spark inferno wildfire fireside",
    false, { RAISE (fire, 0.9f) } },
  { "bubble foam froth underwater",
    false, { RAISE (bubbles, 0.9f) } },
  { "firework fireworks festival carnival celebration party",
    false, { RAISE (lanterns, 0.7f), RAISE (joy, 0.8f), RAISE (music, 0.5f) } },

  /* colour */
  { "red crimson scarlet ruby vermilion cherry_red blood_red", false, { SET (hue, 0.99f), RAISE (tint, 0.5f) } },
  { "orange amber tangerine copper rust rusty terracotta", false, { SET (hue, 0.07f), RAISE (tint, 0.5f) } },
  { "gold golden honey ochre brass", false, { SET (hue, 0.11f), RAISE (tint, 0.45f) } },
  { "yellow lemon saffron", false, { SET (hue, 0.15f), RAISE (tint, 0.45f) } },
  { "green emerald jade lime mint olive_green verdant lush mossy moss", false, { SET (hue, 0.34f), RAISE (tint, 0.4f) } },
  { "teal turquoise cyan aquamarine", false, { SET (hue, 0.49f), RAISE (tint, 0.45f) } },
  { "blue azure cobalt sapphire navy indigo cerulean", false, { SET (hue, 0.6f), RAISE (tint, 0.45f) } },
  { "violet purple lilac mauve amethyst plum", false, { SET (hue, 0.76f), RAISE (tint, 0.5f) } },
  { "magenta fuchsia", false, { SET (hue, 0.86f), RAISE (tint, 0.55f) } },
  { "pink rosy salmon coral blush", false, { SET (hue, 0.94f), RAISE (tint, 0.4f) } },
  { "brown sepia umber chestnut tan vintage nostalgic", false, { SET (hue, 0.08f), RAISE (tint, 0.5f), ADD (saturation, -0.2f) } },
  { "grey gray silver monochrome colourless colorless ashen leaden faded noir", false, { SET (saturation, 0.08f) } },
  { "white ivory pearl snow-white", false, { ADD (brightness, 0.12f), ADD (saturation, -0.12f) } },
  { "vivid vibrant saturated colourful colorful psychedelic rich technicolor kaleidoscope candy", false, { ADD (saturation, 0.3f) } },
  { "pale pastel muted washed desaturated watercolour watercolor subtle", false, { ADD (saturation, -0.22f), ADD (brightness, 0.1f) } },
  { "bright radiant shining luminous brilliant dazzling gleaming glowing glow", false, { ADD (brightness, 0.2f) } },
  { "warm cozy cosy toasty heat hot", false, { SET (hue, 0.07f), RAISE (tint, 0.25f) } },
  { "cool crisp fresh", false, { SET (hue, 0.58f), RAISE (tint, 0.2f) } },

  /* motion and camera */
  { "fast quick rapid rushing speed swift racing hurried timelapse time_lapse hectic", false, { SET (speed, 0.75f) } },
  { "slow slowly gentle gently leisurely languid lazy slow_motion drifting", false, { SET (speed, 0.15f) } },
  { "motionless freeze_frame static standstill", false, { SET (speed, 0.04f), SET (camera_x, 0), SET (camera_zoom, 0) } },
  { "left leftward leftwards pan_left", false, { SET (camera_x, -0.7f) } },
  { "right rightward rightwards pan_right panning pan tracking", false, { SET (camera_x, 0.7f) } },
  { "forward forwards onward zoom zoom_in approaching fly flying soaring dolly flight flythrough", false, { SET (camera_zoom, 0.7f) } },
  { "back backward backwards zoom_out receding retreating pull_back", false, { SET (camera_zoom, -0.6f) } },

  /* mood */
  { "calm peaceful quiet tranquil serene serenity peace restful meditative zen silent silence stillness relaxing soothing idyllic hushed",
    false, { RAISE (calm, 1), ADD (waves, -0.1f), ADD (speed, -0.08f) } },
  { "happy joy joyful cheerful merry playful delight gleeful jolly blissful",
    false, { RAISE (joy, 1), ADD (brightness, 0.08f), ADD (saturation, 0.08f) } },
  { "scary eerie ominous dread haunted horror creepy spooky sinister doom menacing apocalyptic foreboding nightmare ghostly",
    false, { RAISE (dread, 1), ADD (brightness, -0.12f), ADD (saturation, -0.1f), RAISE (fog, 0.25f) } },
  { "awe epic majestic grand vast sublime magnificent dreamy dreamlike magical mystical ethereal enchanted otherworldly surreal fantasy mysterious",
    false, { RAISE (awe, 1) } },
  { "sad melancholy melancholic lonely sorrow wistful sombre somber",
    false, { RAISE (calm, 0.5f), ADD (saturation, -0.15f), ADD (brightness, -0.05f) } },

  /* sound */
  { "bell chime gong church temple carillon", false, { RAISE (bells, 1) } },
  { "drone hum ambient chant om choir organ", false, { RAISE (drone, 1) } },
  { "music melody song harp piano orchestra lullaby tune musical flute", false, { RAISE (music, 1) } },
};
/* clang-format on */

/* Whether @list, words separated by spaces, has @word. */
static bool
has_word (const char *list, const char *word, size_t length)
{
  while (*list) {
    const char *end = strchr (list, ' ');
    size_t n = end ? (size_t)(end - list) : strlen (list);

    if (n == length && memcmp (list, word, n) == 0)
      return true;
    if (!end)
      break;
    list = end + 1;
  }
  return false;
}

static const DvWordGroup *
find_exact (const char *word)
{
  size_t length = strlen (word);

  if (length < 2)
    return NULL;
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    if (has_word (groups[i].words, word, length))
      return &groups[i];
  return NULL;
}

/* Finds @word with @cut bytes less at its end and @ending instead. */
static const DvWordGroup *
find_with (const char *word, size_t length, size_t cut, const char *ending)
{
  char root[DV_WORD_MAX + 8];

  if (length < cut + 3)
    return NULL;
  snprintf (root, sizeof root, "%.*s%s", (int)(length - cut), word, ending);
  return find_exact (root);
}

const DvWordGroup *
dv_words_find (const char *word)
{
  /* An ending as a person writes it, and what the table has instead. */
  static const struct {
    char ending[5], root[3];
  } rules[] = {
      {"ies", "y"},
      {"es", ""},
      {"es", "e"},
      {"s", ""},
      {"'s", ""},
      {"y", ""},
      {"y", "e"},
      {"ing", ""},
      {"ing", "e"},
      {"ed", ""},
      {"ed", "e"},
      {"ly", ""},
      {"ly", "y"},
      {"ish", ""},
      {"like", ""},
      {"er", ""},
      {"est", ""},
      {"ier", "y"},
      {"iest", "y"},
      {"ily", "y"},
      {"ness", ""},
      {"ful", ""},
      {"ous", ""},
  };
  const DvWordGroup *group = find_exact (word);
  size_t length = strlen (word);

  if (length > DV_WORD_MAX)
    return NULL;
  for (size_t i = 0; !group && i < sizeof rules / sizeof *rules; i++) {
    size_t n = strlen (rules[i].ending);

    if (length <= n || strcmp (word + length - n, rules[i].ending) != 0)
      continue;
    group = find_with (word, length, n, rules[i].root);
    /* "foggy", "sunned": a doubled consonant. */
    if (!group && length > n + 3 &&
        word[length - n - 1] == word[length - n - 2])
      group = find_with (word, length, n + 1, "");
  }
  return group;
}

const DvWordGroup *
dv_words_groups (size_t *n)
{
  *n = sizeof groups / sizeof *groups;
  return groups;
}
