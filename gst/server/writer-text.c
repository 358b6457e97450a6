/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The writer's sentences: see writer-private.h.
 *
 * Each can be seen or heard within five seconds and says nothing of what the
 * subject is. Their words are also those that steer the procedural generator,
 * and none of those that would steer it elsewhere: no "falls" (it reads
 * autumn), "towers" (a city) or "right" (the camera) where that isn't meant.
 */
#include "writer-private.h"

#include <string.h>

#define VARIANTS 3

static const gchar *const shots[SEGMENTS][VARIANTS] = {
    {"Wide establishing shot, the camera gliding slowly forward",
        "Wide opening shot, the camera almost motionless",
        "Wide shot from a height, the camera drifting to the left"},
    {"Medium shot, the camera moving forward at walking pace",
        "Medium-wide shot, the camera tracking to the right",
        "Medium shot at eye level, the camera gliding to the left"},
    {"Close-up with shallow focus, the camera holding its position",
        "Close shot, the camera creeping forward",
        "Close detail shot, the camera drifting to the right"},
    {"Medium shot from low down, the camera tilting up",
        "Tracking shot alongside, the camera moving to the right",
        "Medium shot from behind, the camera following forward"},
    {"Aerial shot, the camera flying forward overhead",
        "Sweeping shot, the camera arcing around to the left",
        "Low tracking shot, the camera racing forward"},
    {"Wide closing shot, the camera pulling back",
        "Long shot, the camera receding slowly",
        "Wide final shot from above, the camera drifting backward"},
};

static const gchar *const beats[SEGMENTS][VARIANTS] = {
    {"The whole setting comes into view at once and gives everything its "
     "scale.",
        "The frame takes in the whole setting, with room on every side.",
        "At first only the outlines can be seen, then the picture fills in."},
    {"We come nearer, outlines sharpen, and the first movements can be made "
     "out.",
        "The distance shrinks until shape and gesture are easy to read.",
        "Step by step the middle of the frame takes over the picture."},
    {"Texture fills the frame: edges, surfaces, the smallest movement.",
        "Only details can be seen, each one sharp, while the rest is out of "
        "focus.",
        "One detail after another passes through the narrow plane of focus."},
    {"Something changes here: the movement picks up and takes a new "
     "direction.",
        "This is the turning point, and for a moment everything hangs in the "
        "balance.",
        "A sudden movement breaks the pattern, and the eye follows it."},
    {"This is the high point, with movement from one edge of the frame to the "
     "other.",
        "Everything is in motion now, and the frame can hardly hold it.",
        "The action reaches its peak of energy and fills the picture."},
    {"The movement settles, and the view is held until the end.",
        "Everything comes to rest, and the picture grows wide and complete.",
        "The action ends where it began, and the frame lets go of it."},
};

static const gchar *const places[N_PLACES][VARIANTS] = {
    [PLACE_SEA] = {"The open sea reaches to the horizon, wave after wave.",
        "Long waves of the ocean roll past and break into white crests.",
        "All around is the sea, its waves catching the light."},
    [PLACE_BEACH] = {"A beach of fine sand curves along the coast.",
        "Waves run up the shore and draw off again.",
        "Palm trees lean over the beach of a quiet bay."},
    [PLACE_LAKE] = {"A lake lies among mountains and mirrors them.",
        "The lake reaches up to the trees on its banks.",
        "Mountains stand around the lake, upside down in its water."},
    [PLACE_RIVER] = {"A river winds through the valley.",
        "The river runs over stones between grassy banks.",
        "The valley opens, and the river widens between its hills."},
    [PLACE_FOREST] = {"The forest stands close, tall pines and ferns on all "
                      "sides.",
        "Light comes through the trees of the forest in slanting beams.",
        "Old trunks and moss make up the floor of the forest."},
    [PLACE_MOUNTAINS] = {"Mountain ridges stand one behind the other.",
        "Steep cliffs lead up to the peaks of the mountains.",
        "The summit of the mountain stands out against the sky."},
    [PLACE_MEADOW] = {"A meadow of tall grass spreads up to the hills.",
        "Wildflowers stand in the grass of the meadow.",
        "Beyond the meadow lie hills with single trees."},
    [PLACE_DESERT] = {"Desert dunes run to the horizon in long curves.",
        "Sand trickles down the flank of a dune in the desert.",
        "The desert lies wide and empty, dune behind dune."},
    [PLACE_CANYON] = {"The walls of the canyon stand high on both sides.",
        "Red sandstone shows its layers in the canyon.",
        "The canyon winds on between its walls."},
    [PLACE_ICE] = {"Ice reaches as far as the eye can see.",
        "A glacier ends in tall walls of ice.",
        "Icebergs stand in the frozen water."},
    [PLACE_CITY] = {"City towers stand on all sides, their windows lit.",
        "The street runs between the buildings of the city.",
        "The skyline of the city fills the background."},
    [PLACE_VILLAGE] = {"The village lies on a hill, its cottages close "
                       "together.",
        "Between the houses of the village runs a narrow lane.",
        "Lanterns hang along the lane of the village."},
    [PLACE_SPACE] = {"Deep space opens on all sides, thick with stars.",
        "A planet fills half the view against the stars of space.",
        "A nebula glows in the depth of space."},
    [PLACE_VOLCANO] = {"The volcano stands over bare slopes, lava in its "
                       "crater.",
        "Lava runs down the flank of the volcano.",
        "Embers drift up from the crater of the volcano."},
    [PLACE_SKY] = {"Clouds drift past above and below, hills far beneath.",
        "High over the hills the air is open, clouds within reach.",
        "Clouds part, and the hills show far beneath."},
    [PLACE_UNDERWATER] = {"It is underwater, in the blue of the sea, bubbles "
                          "rising.",
        "Underwater, beams of light reach down into the sea.",
        "Sand and stones make up the floor of the sea, deep underwater."},
    [PLACE_INDOORS] = {"The room around is simple, with a window on one side.",
        "Walls and furniture stay out of focus behind it.",
        "The room is furnished sparingly, every object in its place."},
};

static const gchar *const lights[N_TIMES][VARIANTS] = {
    [TIME_DAWN] = {"It is dawn, and the first light lies along the horizon.",
        "Dawn colours the edge of the sky pink.",
        "The sun is about to come up, and dawn spreads over the sky."},
    [TIME_MORNING] = {"Morning light comes in low from the side.",
        "The morning is bright and fresh.",
        "The light of the morning is even and mild."},
    [TIME_DAY] = {"It is broad daylight, and every colour is full.",
        "The midday light comes from high above.",
        "The day is bright from edge to edge."},
    [TIME_GOLDEN] = {"It is the golden hour, and everything has a warm rim of "
                     "light.",
        "Golden light comes in low and gilds each edge.",
        "The golden hour makes every surface glow."},
    [TIME_SUNSET] = {"The sun is going down, and the sunset fills the sky with "
                     "orange.",
        "The sunset glows along the horizon in orange and red.",
        "Sunset light lies across everything, orange and low."},
    [TIME_DUSK] = {"It is dusk, and the colours sink into blue.",
        "Evening comes on, and the light goes from the sky.",
        "Dusk lies over everything, violet and soft."},
    [TIME_NIGHT] = {"It is night, and the stars are out.",
        "The night is deep, and the moon gives the only light.",
        "Moonlight lies on everything in the night."},
};

static const gchar *const lights_indoors[N_TIMES][VARIANTS] = {
    [TIME_DAWN] = {"The first light of dawn comes through the window.",
        "Dawn is at the window, and the room is still half asleep.",
        "The light of dawn creeps along the wall."},
    [TIME_MORNING] = {"Morning light comes through the window and lies on the "
                      "floor.",
        "The room is bright with morning.",
        "Morning light picks out the dust in the room."},
    [TIME_DAY] = {"Bright daylight fills the room.",
        "Daylight from the window is even and neutral.",
        "The day outside lights the whole room."},
    [TIME_GOLDEN] = {"Golden light comes through the window and warms the "
                     "room.",
        "The golden hour draws long bars of light on the wall.",
        "Golden light catches every edge in the room."},
    [TIME_SUNSET] = {"The sunset colours the walls of the room orange.",
        "The window is full of sunset.",
        "Sunset light slants across the room."},
    [TIME_DUSK] = {"Dusk is at the window, and a lamp is lit.",
        "It is evening in the room, between lamp and window.",
        "The blue of dusk mixes with the light of a lamp."},
    [TIME_NIGHT] = {"It is night outside, and lamps light the room.",
        "A single lamp lights the room in the night.",
        "Night is at the window, and the room glows."},
};

static const gchar *const lights_space[VARIANTS] = {
    "Starlight draws a fine line along every edge.",
    "Light from one side leaves the other in the black of space.",
    "The stars stand sharp and do not flicker."};

/* By day, by night. */
static const gchar *const lights_underwater[2][VARIANTS] = {
    {"Light from above breaks into moving patterns underwater.",
        "Daylight comes down through the water in shafts.",
        "The blue of the water deepens towards the floor."},
    {"Moonlight comes down through the water at night.",
        "It is night above, and the water is nearly black.",
        "Small lights glow in the water, and it is night."}};

static const gchar *const weathers[N_WEATHERS][VARIANTS] = {
    [WEATHER_CLEAR] = {"The sky is clear.",
        "Under a clear sky even far things look near.",
        "The air is clear as glass."},
    [WEATHER_WIND] = {"Wind tugs at whatever is loose.", "A steady wind blows.",
        "Gusts of wind come and go."},
    [WEATHER_CLOUDS] = {"Clouds drift over and change the light.",
        "Clouds gather overhead.", "The sky is cloudy, with gaps of light."},
    [WEATHER_RAIN] = {"Rain comes down in fine threads.",
        "Heavy rain bounces off every surface.",
        "Rain streaks the picture, and every surface shines."},
    [WEATHER_STORM] = {"A storm is coming up, with wind and dark clouds.",
        "The storm is at its height, with lightning and heavy rain.",
        "Thunder follows the lightning, and the storm drives rain across the "
        "frame."},
    [WEATHER_SNOW] = {"Snow drifts down in large flakes.",
        "Snowfall covers every surface in white.", "Snow whirls in the wind."},
    [WEATHER_FOG] = {"Fog hangs over everything and hides what is far.",
        "Mist moves past in veils.", "The fog thins and thickens again."},
};

static const gchar *const seasons[N_SEASONS][VARIANTS] = {
    [SEASON_SPRING] = {"It is spring, with blossom on every branch.",
        "Spring flowers are out everywhere.",
        "Petals of blossom drift past, for it is spring."},
    [SEASON_SUMMER] = {"It is summer, warm and green.",
        "The warmth of summer lies over it all.",
        "Everything is as full and green as in high summer."},
    [SEASON_AUTUMN] = {"It is autumn, and red leaves drift down.",
        "Autumn leaves cover the ground.",
        "The trees stand in the orange and gold of autumn."},
    [SEASON_WINTER] = {"It is winter, and snow lies over everything.",
        "Winter has covered every surface in snow and frost.",
        "Snowflakes drift through the cold winter air."},
};

static const gchar *const paces[N_PACES][VARIANTS] = {
    [PACE_SLOW] = {"Everything moves in slow motion.",
        "Every movement takes its time, slow and even.",
        "The motion is slow, almost weightless."},
    [PACE_FAST] = {"Everything moves fast.",
        "The motion is quick, and nothing waits.",
        "It all goes by at racing speed."},
};

static const gchar *const moods[N_MOODS][VARIANTS] = {
    [MOOD_CALM] = {"The mood is calm and peaceful.",
        "All is quiet and serene, with a soft piano.",
        "It feels tranquil and safe."},
    [MOOD_JOY] = {"The mood is joyful, with a bright melody on a flute.",
        "Everything about it is cheerful.", "It is a happy, playful moment."},
    [MOOD_DREAD] = {"The mood is eerie, with a low drone.",
        "Something ominous is about to happen.",
        "It feels haunted and sinister."},
    [MOOD_EPIC] = {"The mood is epic, with a full orchestra.",
        "It is vast and grand, like the height of a saga.",
        "Everything about it is majestic."},
    [MOOD_SAD] = {"The mood is melancholy, with a lonely piano.",
        "It feels wistful, like a farewell.", "A sombre silence lies over it."},
};

static const gchar *const sounds[N_PLACES][VARIANTS] = {
    [0] = {"Sound: the natural noises of the scene, close to the ear.",
        "Sound: every movement can be heard.",
        "Sound: sparse and true to the picture."},
    [PLACE_SEA] = {"Sound: waves and the cry of gulls.",
        "Sound: the deep wash of the waves.",
        "Sound: waves breaking one after another."},
    [PLACE_BEACH] = {"Sound: waves running up the sand.",
        "Sound: gulls, and the waves on the shore.",
        "Sound: the hiss of each wave as it ends."},
    [PLACE_LAKE] = {"Sound: water lapping, birds far away.",
        "Sound: a bird calls across the lake.",
        "Sound: hardly more than the lapping of water."},
    [PLACE_RIVER] = {"Sound: running water.",
        "Sound: the river gurgles over its stones.",
        "Sound: the rush of the river, and a bird."},
    [PLACE_FOREST] = {"Sound: birdsong and rustling leaves.",
        "Sound: a twig snaps, and birds answer.",
        "Sound: leaves whisper overhead."},
    [PLACE_MOUNTAINS] = {"Sound: wind over stone, an eagle far up.",
        "Sound: a wide and hollow wind.", "Sound: an echo from the mountains."},
    [PLACE_MEADOW] = {"Sound: larks and insects.",
        "Sound: grass brushing against grass.", "Sound: birds in the meadow."},
    [PLACE_DESERT] = {"Sound: wind over sand.",
        "Sound: almost nothing, then a breath of wind.",
        "Sound: grains of sand, and the air over them."},
    [PLACE_CANYON] = {"Sound: wind, and its echo from the walls.",
        "Sound: a stone rattles down the canyon.",
        "Sound: an echo that comes twice."},
    [PLACE_ICE] = {"Sound: ice cracking far away.",
        "Sound: cold wind over the ice.", "Sound: the groaning of the ice."},
    [PLACE_CITY] = {"Sound: traffic, voices, a far siren.",
        "Sound: steps, and the hum of the city.",
        "Sound: engines and voices from the street."},
    [PLACE_VILLAGE] = {"Sound: a bell, and a dog far away.",
        "Sound: voices, a door, a bell.", "Sound: the bell of the church."},
    [PLACE_SPACE] = {"Sound: a low ambient drone.",
        "Sound: a deep hum, like a choir far away.",
        "Sound: almost none, only a drone."},
    [PLACE_VOLCANO] = {"Sound: a rumble from below, the crackle of fire.",
        "Sound: hissing, and the roar of fire.",
        "Sound: stones bursting in the heat."},
    [PLACE_SKY] = {"Sound: rushing air.", "Sound: wind in the open.",
        "Sound: the air, and a bird passing."},
    [PLACE_UNDERWATER] = {"Sound: bubbles and a muffled hum.",
        "Sound: the dull rush of water, bubbles.",
        "Sound: a deep hum underwater."},
    [PLACE_INDOORS] = {"Sound: the small noises of the room.",
        "Sound: a clock, and cloth moving.",
        "Sound: steps on the floor of the room."},
};

static const gchar *const sounds_weather[N_WEATHERS][VARIANTS] = {
    [WEATHER_WIND] = {"Sound: wind that comes and goes.",
        "Sound: the rustle of the wind.", "Sound: wind close to the ear."},
    [WEATHER_RAIN] = {"Sound: rain drumming close by.",
        "Sound: the even rush of rain.",
        "Sound: single drops, then rain again."},
    [WEATHER_STORM] = {"Sound: thunder rolling, wind tearing past.",
        "Sound: a crack of thunder, then rain.",
        "Sound: the howl of the storm."},
    [WEATHER_SNOW] = {"Sound: the hush that snow brings.",
        "Sound: muffled, with a breath of wind.",
        "Sound: snow crunching softly."},
    [WEATHER_FOG] = {"Sound: damped by the fog, hardly more than a breath.",
        "Sound: a bell somewhere in the fog.",
        "Sound: dripping water in the mist."},
};

static const gchar *const sounds_night[VARIANTS] = {
    "Sound: crickets in the night.", "Sound: an owl far away.",
    "Sound: the night, and nothing near."};

const gchar *
line_shot (guint beat, guint variant)
{
  return shots[beat % SEGMENTS][variant % VARIANTS];
}

gboolean
line_is_shot (const gchar *text)
{
  for (guint i = 0; i < SEGMENTS; i++)
    for (guint j = 0; j < VARIANTS; j++)
      if (strcmp (shots[i][j], text) == 0)
        return TRUE;
  return FALSE;
}

const gchar *
line_beat (guint beat, guint variant)
{
  return beats[beat % SEGMENTS][variant % VARIANTS];
}

const gchar *
line_place (guint place, guint variant)
{
  return places[place % N_PLACES][variant % VARIANTS];
}

const gchar *
line_light (guint place, guint time, guint variant)
{
  variant %= VARIANTS;
  time %= N_TIMES;
  if (place == PLACE_SPACE)
    return lights_space[variant];
  if (place == PLACE_UNDERWATER)
    return lights_underwater[time == TIME_NIGHT || time == TIME_DUSK][variant];
  return place == PLACE_INDOORS ? lights_indoors[time][variant]
                                : lights[time][variant];
}

gboolean
place_is_open (guint place)
{
  return place != PLACE_SPACE && place != PLACE_UNDERWATER &&
         place != PLACE_INDOORS;
}

const gchar *
line_weather (guint weather, guint variant)
{
  return weathers[weather % N_WEATHERS][variant % VARIANTS];
}

const gchar *
line_season (guint season, guint variant)
{
  return seasons[season % N_SEASONS][variant % VARIANTS];
}

const gchar *
line_pace (guint pace, guint variant)
{
  return paces[pace % N_PACES][variant % VARIANTS];
}

const gchar *
line_mood (guint mood, guint variant)
{
  return moods[mood % N_MOODS][variant % VARIANTS];
}

const gchar *
line_sound (const Scene *scene, guint variant)
{
  guint place = scene->is[SCENE_PLACE];
  const gchar *weather =
      sounds_weather[scene->is[SCENE_WEATHER] % N_WEATHERS][variant % VARIANTS];

  if (weather)
    return weather;
  if (scene->is[SCENE_TIME] == TIME_NIGHT &&
      (place == PLACE_FOREST || place == PLACE_MEADOW || place == PLACE_LAKE ||
          place == PLACE_VILLAGE || place == PLACE_RIVER))
    return sounds_night[variant % VARIANTS];
  return sounds[place % N_PLACES][variant % VARIANTS];
}

/* Whether one of @n rows of @table is @text; which, in @value. */
static gboolean
find_in (const gchar *const table[][VARIANTS], guint n, const gchar *text,
    guint *value)
{
  for (*value = 0; *value < n; ++*value)
    for (guint i = 0; i < VARIANTS; i++)
      if (table[*value][i] && strcmp (table[*value][i], text) == 0)
        return TRUE;
  *value = 0;
  return FALSE;
}

LineKind
line_find (const gchar *text, guint *value)
{
  guint ignored;

  if (find_in (places, N_PLACES, text, value))
    return LINE_PLACE;
  if (find_in (lights, N_TIMES, text, value) ||
      find_in (lights_indoors, N_TIMES, text, value))
    return LINE_LIGHT;
  if (find_in (&lights_space, 1, text, &ignored))
    return LINE_LIGHT;
  if (find_in (lights_underwater, 2, text, value)) {
    *value = *value ? TIME_NIGHT : 0;
    return LINE_LIGHT;
  }
  if (find_in (weathers, N_WEATHERS, text, value))
    return LINE_WEATHER;
  if (find_in (seasons, N_SEASONS, text, value))
    return LINE_SEASON;
  if (find_in (paces, N_PACES, text, value))
    return LINE_PACE;
  if (find_in (moods, N_MOODS, text, value))
    return LINE_MOOD;
  if (find_in (beats, SEGMENTS, text, value))
    return LINE_BEAT;
  if (find_in (sounds, N_PLACES, text, &ignored) ||
      find_in (sounds_weather, N_WEATHERS, text, &ignored) ||
      find_in (&sounds_night, 1, text, &ignored))
    return LINE_SOUND;
  return LINE_NONE;
}
