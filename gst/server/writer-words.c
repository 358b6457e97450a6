/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the writer reads out of texts: see writer-private.h.
 *
 * English first, and the plainest words of some languages more. A text in
 * another language says nothing here, which does no harm: it is its subject.
 */
#include "writer-private.h"

#include <string.h>

#define MAX_PHRASE 3          /* words */
#define FIRST_UNSPACED 0x2e80 /* Han, kana and Hangul are behind it */

typedef struct {
  guint8 kind, value;
  gboolean weak; /* a subject that makes one think of a place */
  /* Separated by spaces; '_' joins the words of a phrase. */
  const gchar *words;
} Row;

/* clang-format off */
static const Row rows[] = {
  { SCENE_PLACE, PLACE_UNDERWATER, FALSE, "underwater under_water undersea coral_reef seabed ocean_floor deep_sea unterwasser sous-marin submarino 水下 海底" },
  { SCENE_PLACE, PLACE_BEACH, FALSE, "beach coast shore seaside island lagoon strand küste plage playa spiaggia praia 沙滩 海滩 海岸 ビーチ пляж" },
  { SCENE_PLACE, PLACE_SEA, FALSE, "sea ocean atlantic pacific mediterranean meer ozean mer océan mar océano mare oceano oceaan zee 海 大海 海洋 바다 море океан" },
  { SCENE_PLACE, PLACE_LAKE, FALSE, "lake pond loch teich étang lago laguna 湖 호수 озеро" },
  { SCENE_PLACE, PLACE_RIVER, FALSE, "river stream brook creek waterfall valley fluss tal rivière fleuve río fiume rio 河 川 江 река" },
  { SCENE_PLACE, PLACE_FOREST, FALSE, "forest woods woodland jungle rainforest grove wald forêt bosque foresta floresta selva bos 森林 森 숲 лес лесу" },
  { SCENE_PLACE, PLACE_MOUNTAINS, FALSE, "mountain alps peak summit himalaya everest cliff fjord berg berge gebirge montagne montaña montagna montanha 山 산 горы гора горах" },
  { SCENE_PLACE, PLACE_MEADOW, FALSE, "meadow field prairie pasture garden grassland savanna savannah farm park lawn wiese feld garten prairie champ jardin prado jardín giardino jardim 草地 草原 花园 庭 сад поле" },
  { SCENE_PLACE, PLACE_CANYON, FALSE, "canyon gorge ravine schlucht cañón 峡谷 каньон" },
  { SCENE_PLACE, PLACE_DESERT, FALSE, "desert dune sahara gobi oasis wüste désert desierto deserto woestijn 沙漠 砂漠 사막 пустыня пустыне" },
  { SCENE_PLACE, PLACE_ICE, FALSE, "arctic antarctic antarctica glacier iceberg polar tundra north_pole south_pole gletscher arktis banquise glaciar 冰川 北极 南極 南极 ледник" },
  { SCENE_PLACE, PLACE_CITY, FALSE, "city town street downtown skyline skyscraper metropolis alley rooftop tokyo paris london berlin manhattan new_york shanghai venice rome cyberpunk stadt straße ville rue ciudad calle città cidade stad 城市 街 都市 도시 город городе улица" },
  { SCENE_PLACE, PLACE_VILLAGE, FALSE, "village hamlet cottage cabin dorf village pueblo aldea villaggio aldeia 村 村庄 마을 деревня" },
  { SCENE_PLACE, PLACE_SPACE, FALSE, "space outer_space galaxy nebula cosmos universe orbit planet mars moon_landing saturn jupiter weltraum weltall espace espacio spazio espaço 太空 宇宙 우주 космос космосе" },
  { SCENE_PLACE, PLACE_VOLCANO, FALSE, "volcano lava crater vulkan volcan volcán vulcano vulcão 火山 화산 вулкан" },
  { SCENE_PLACE, PLACE_SKY, FALSE, "sky above_the_clouds in_the_clouds himmel ciel cielo céu 天空 空中 небо небе" },
  { SCENE_PLACE, PLACE_INDOORS, FALSE, "room kitchen office studio library café cafe bar pub classroom bedroom bathroom laboratory lab indoor indoors interior inside workshop restaurant gym hall cellar attic museum theatre theater hospital zimmer küche büro cuisine chambre bureau cocina habitación stanza cucina cozinha 房间 厨房 部屋 комната комнате кухня кухне" },

  { SCENE_PLACE, PLACE_SEA, TRUE, "whale dolphin ship boat sailor sailboat shark seal lighthouse pirate orca surfer sub submarine yacht kraken wal schiff boot delfin baleine bateau ballena barco balena nave baleia navio walvis 鲸鱼 鲸 船 クジラ 鯨 고래 кит корабль" },
  { SCENE_PLACE, PLACE_UNDERWATER, TRUE, "fish jellyfish octopus squid mermaid turtle seahorse diver fisch poisson pez pesce peixe 鱼 魚" },
  { SCENE_PLACE, PLACE_SPACE, TRUE, "astronaut spaceship rocket satellite alien comet ufo astronauta astronaute 宇航员 космонавт" },
  { SCENE_PLACE, PLACE_CITY, TRUE, "car taxi bus tram skater skateboarder detective traffic motorcycle cyclist robot subway businessman superhero voiture coche auto" },
  { SCENE_PLACE, PLACE_FOREST, TRUE, "fox bear deer wolf squirrel hedgehog elf mushroom unicorn stag fuchs bär hirsch renard ours zorro oso ciervo volpe 狐狸 熊 鹿 лиса медведь" },
  { SCENE_PLACE, PLACE_MOUNTAINS, TRUE, "dragon castle knight climber goat hiker skier monastery drache schloss burg ritter château chevalier castillo caballero 龙 城堡 дракон замок" },
  { SCENE_PLACE, PLACE_MEADOW, TRUE, "horse cow sheep rabbit dog puppy picnic butterfly bee lion elephant giraffe zebra child children girl boy pferd hund kuh cheval chien caballo perro cavallo cane 马 狗 лошадь собака" },
  { SCENE_PLACE, PLACE_DESERT, TRUE, "camel caravan pyramid sphinx scorpion kamel chameau camello 骆驼 верблюд" },
  { SCENE_PLACE, PLACE_ICE, TRUE, "penguin polar_bear walrus husky igloo pinguin pingouin pingüino 企鹅 пингвин" },
  { SCENE_PLACE, PLACE_SKY, TRUE, "balloon airship aeroplane airplane plane helicopter eagle falcon kite paraglider zeppelin ballon flugzeug avion avión globo 气球 飞机 самолёт" },
  { SCENE_PLACE, PLACE_VILLAGE, TRUE, "cat kitten witch grandmother chicken rooster katze chat gato gatto hexe 猫 고양이 кот кошка" },
  { SCENE_PLACE, PLACE_INDOORS, TRUE, "chef pianist piano chess cook barista scientist painter cake desk sofa koch klavier" },
  { SCENE_PLACE, PLACE_LAKE, TRUE, "swan duck canoe heron fisherman frog ente schwan cygne canard cisne pato 天鹅 лебедь" },

  { SCENE_TIME, TIME_DAWN, FALSE, "dawn daybreak sunrise first_light sun_rises sonnenaufgang morgengrauen aube amanecer alba amanhecer 黎明 日出 새벽 рассвет рассвете" },
  { SCENE_TIME, TIME_MORNING, FALSE, "morning matin mañana mattina manhã 早晨 早上 朝 아침 утро утром" },
  { SCENE_TIME, TIME_DAY, FALSE, "noon midday day daytime daylight mittag midi mediodía mezzogiorno 中午 白天 昼 день днём" },
  { SCENE_TIME, TIME_GOLDEN, FALSE, "golden_hour magic_hour afternoon nachmittag après-midi pomeriggio 下午 午後 黄金时刻" },
  { SCENE_TIME, TIME_SUNSET, FALSE, "sunset sundown setting_sun sonnenuntergang coucher_de_soleil atardecer puesta_de_sol tramonto pôr_do_sol zonsondergang 日落 夕阳 夕日 закат закате" },
  { SCENE_TIME, TIME_DUSK, FALSE, "dusk evening twilight blue_hour nightfall dämmerung abend abends crépuscule soir anochecer sera crepuscolo noite_cair 黄昏 傍晚 夕方 вечер вечером" },
  { SCENE_TIME, TIME_NIGHT, FALSE, "night midnight nighttime moonlight moonlit nocturnal starry starlit nacht nachts mitternacht nuit noche notte noite 夜 夜晚 晚上 밤 ночь ночью" },

  { SCENE_WEATHER, WEATHER_STORM, FALSE, "storm stormy thunderstorm thunder lightning hurricane tempest typhoon sturm gewitter orage tempête tormenta tempesta tempestade 风暴 暴风雨 嵐 폭풍 шторм буря гроза" },
  { SCENE_WEATHER, WEATHER_RAIN, FALSE, "rain rainy raining rainfall drizzle downpour monsoon regen regnet regnerisch pluie pleut lluvia llueve lluvioso pioggia piove chuva 雨 비 дождь дождём" },
  { SCENE_WEATHER, WEATHER_SNOW, FALSE, "snow snowy snowing snowfall blizzard schnee schneit neige nieve nieva neve 雪 눈이 снег снегом" },
  { SCENE_WEATHER, WEATHER_FOG, FALSE, "fog foggy mist misty haze nebel neblig brouillard brume niebla nebbia neblina 雾 霧 안개 туман тумане" },
  { SCENE_WEATHER, WEATHER_WIND, FALSE, "wind windy breeze breezy gusty windig vent viento ventoso vento 风 風 ветер" },
  { SCENE_WEATHER, WEATHER_CLOUDS, FALSE, "cloudy overcast bewölkt nuageux nublado nuvoloso 多云 曇り облачно" },
  { SCENE_WEATHER, WEATHER_CLEAR, FALSE, "sunny sunshine sunlight cloudless clear_sky clear_skies blue_sky clear_weather sonnig sonnenschein ensoleillé soleado soleggiato ensolarado 晴天 晴 晴れ солнечно" },

  { SCENE_SEASON, SEASON_WINTER, FALSE, "winter wintry wintertime hiver invierno inverno 冬 冬天 겨울 зима зимой" },
  { SCENE_SEASON, SEASON_SPRING, FALSE, "spring springtime frühling printemps primavera 春 春天 봄 весна весной" },
  { SCENE_SEASON, SEASON_SUMMER, FALSE, "summer summertime sommer été verano estate verão 夏 夏天 여름 лето летом" },
  { SCENE_SEASON, SEASON_AUTUMN, FALSE, "autumn autumnal herbst automne otoño autunno outono 秋 秋天 가을 осень осенью" },

  { SCENE_PACE, PACE_SLOW, FALSE, "slow slower slowly slow_motion unhurried langsam langsamer lentement lento lentamente despacio 慢 缓慢 медленно медленнее" },
  { SCENE_PACE, PACE_FAST, FALSE, "fast faster quick quicker quickly speed_up racing hectic timelapse time-lapse schnell schneller rapide vite rápido veloce 快 快速 быстро быстрее" },

  { SCENE_MOOD, MOOD_CALM, FALSE, "calm calmer peaceful quiet serene tranquil relaxing meditative ruhig friedlich calme tranquilo sereno 平静 宁静 спокойно" },
  { SCENE_MOOD, MOOD_JOY, FALSE, "happy happier joyful joyous cheerful playful funny merry fröhlich joyeux alegre allegro feliz 快乐 欢快 весело" },
  { SCENE_MOOD, MOOD_DREAD, FALSE, "scary scarier eerie spooky creepy haunted horror sinister ominous terrifying nightmare gruselig unheimlich effrayant aterrador 恐怖 страшно" },
  { SCENE_MOOD, MOOD_EPIC, FALSE, "epic dramatic majestic heroic grand monumental episch dramatisch épique épico 史诗 壮丽 эпично" },
  { SCENE_MOOD, MOOD_SAD, FALSE, "sad sadder melancholy melancholic lonely wistful gloomy traurig triste 悲伤 грустно" },
};

/* What may stand between them in a request. */
static const gchar between[] =
    "make made it its it's the a an at in on by to into set turn switch change "
    "let there be is are should with and add some more much very a_lot lot bit "
    "little please have happen all everything whole scene weather time of day "
    "mood place pace light season feel look go get now then during under for "
    "them this that as so than even keep put give want i we me us can could you "
    "would like video shot shots mach macht es zu im bei am der die das mehr und "
    "füge hinzu fais rends le la les de plus et ajoute hazlo haz el los más y "
    "añade que sea con rendi più e aggiungi";
/* clang-format on */

gchar **
scene_words (const gchar *text)
{
  GPtrArray *words = g_ptr_array_new ();
  gchar *lower = g_utf8_strdown (text, -1);
  GString *word = g_string_new (NULL);
  const gchar *p = lower;

  for (;; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (c == 0x2019)
      c = '\'';
    if (c && (g_unichar_isalnum (c) || g_unichar_ismark (c) ||
                 (word->len > 0 && (c == '\'' || c == '-')))) {
      g_string_append_unichar (word, c);
      continue;
    }
    if (word->len > 0)
      g_ptr_array_add (words, g_strdup (word->str));
    g_string_truncate (word, 0);
    if (!c)
      break;
  }
  g_string_free (word, TRUE);
  g_free (lower);
  g_ptr_array_add (words, NULL);
  return (gchar **)g_ptr_array_free (words, FALSE);
}

/* Whether the list @words has the @n bytes at @word. */
static gboolean
has_word (const gchar *words, const gchar *word, gsize n)
{
  while (*words) {
    gsize length = strcspn (words, " ");

    if (length == n && memcmp (words, word, n) == 0)
      return TRUE;
    words += length;
    words += strspn (words, " ");
  }
  return FALSE;
}

/* ---- finding ---- */

/* The words of all rows. It is made for each text: that takes less than reading
 * one, and there is nothing to keep. */
typedef struct {
  GHashTable *words;   /* to their row */
  GPtrArray *unspaced; /* of scripts without spaces, which are searched for */
  gchar *copies[G_N_ELEMENTS (rows)];
} Lexicon;

static void
lexicon_init (Lexicon *lexicon)
{
  lexicon->words = g_hash_table_new (g_str_hash, g_str_equal);
  lexicon->unspaced = g_ptr_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar *word = lexicon->copies[i] = g_strdup (rows[i].words);

    while (word) {
      gchar *end = strchr (word, ' ');

      if (end)
        *end++ = '\0';
      if (g_hash_table_insert (lexicon->words, word, (gpointer)&rows[i]) &&
          g_utf8_get_char (word) >= FIRST_UNSPACED)
        g_ptr_array_add (lexicon->unspaced, word);
      word = end;
    }
  }
}

static void
lexicon_clear (Lexicon *lexicon)
{
  g_hash_table_unref (lexicon->words);
  g_ptr_array_unref (lexicon->unspaced);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_free (lexicon->copies[i]);
}

/* "boats" is a boat, "skies" a sky, "dashes" a dash. */
static const Row *
find_single (const Lexicon *lexicon, const gchar *word)
{
  const Row *row = g_hash_table_lookup (lexicon->words, word);
  gsize n = strlen (word);
  gchar *single;

  if (row || n < 4 || word[n - 1] != 's')
    return row;
  single = g_strndup (word, n - 1);
  row = g_hash_table_lookup (lexicon->words, single);
  if (!row && single[n - 2] == 'e') {
    single[n - 2] = '\0';
    row = g_hash_table_lookup (lexicon->words, single);
    if (!row && single[n - 3] == 'i') {
      single[n - 3] = 'y';
      row = g_hash_table_lookup (lexicon->words, single);
    }
  }
  g_free (single);
  return row;
}

/* The row that the first of @words is of, maybe with those behind it; @taken:
 * how many. NULL: none. */
static const Row *
find (const Lexicon *lexicon, gchar **words, guint *taken)
{
  gchar phrase[128];

  for (guint n = MAX_PHRASE; n > 1; n--) {
    const Row *row;
    guint have = 0;

    phrase[0] = '\0';
    while (have < n && words[have]) {
      if (have > 0)
        g_strlcat (phrase, "_", sizeof phrase);
      g_strlcat (phrase, words[have++], sizeof phrase);
    }
    row = have == n ? g_hash_table_lookup (lexicon->words, phrase) : NULL;
    *taken = n;
    if (row)
      return row;
  }
  *taken = 1;
  return find_single (lexicon, words[0]);
}

/* The next row, from entry *@at on, that @word, of a script without spaces,
 * contains a word of; NULL: none. */
static const Row *
find_inside (const Lexicon *lexicon, const gchar *word, guint *at)
{
  while (*at < lexicon->unspaced->len) {
    const gchar *part = lexicon->unspaced->pdata[(*at)++];

    if (strstr (word, part))
      return g_hash_table_lookup (lexicon->words, part);
  }
  return NULL;
}

static gboolean
is_unspaced (const gchar *word)
{
  return g_utf8_get_char (word) >= FIRST_UNSPACED;
}

static gboolean
is_no (const gchar *word)
{
  return has_word ("no not without never less ohne kein keine sans sin senza "
                   "sem",
      word, strlen (word));
}

static void
take (Scene *scene, const Row *row)
{
  guint8 *is = &scene->is[row->kind];

  if (row->kind == SCENE_TIME)
    scene->last_time = row->value;
  if (row->kind == SCENE_PLACE && *is && scene->assumed && !row->weak) {
    *is = row->value;
    scene->assumed = FALSE;
  }
  if (*is)
    return;
  *is = row->value;
  if (row->kind == SCENE_PLACE)
    scene->assumed = row->weak;
}

void
scene_read (Scene *scene, const gchar *text)
{
  gchar **words = scene_words (text);
  guint denied = 0; /* words that a "no" still reaches */
  Lexicon lexicon;

  memset (scene, 0, sizeof *scene);
  lexicon_init (&lexicon);
  for (guint i = 0; words[i]; i++) {
    const Row *row;
    guint taken, at = 0;

    if (is_no (words[i]))
      denied = 3;
    if (denied == 0 && is_unspaced (words[i])) {
      while ((row = find_inside (&lexicon, words[i], &at)))
        take (scene, row);
    } else if (denied == 0) {
      row = find (&lexicon, words + i, &taken);
      if (row)
        take (scene, row);
    }
    denied -= denied > 0;
  }
  lexicon_clear (&lexicon);
  g_strfreev (words);
}

gboolean
scene_is_all (const gchar *text)
{
  gchar **words = scene_words (text);
  gboolean all = TRUE, any = FALSE;
  Lexicon lexicon;

  lexicon_init (&lexicon);
  for (guint i = 0; words[i] && all;) {
    guint taken = 1, at = 0;
    const Row *row = is_unspaced (words[i])
                         ? find_inside (&lexicon, words[i], &at)
                         : find (&lexicon, words + i, &taken);

    if (row && row->weak)
      row = NULL;
    any |= row != NULL;
    all = row || has_word (between, words[i], strlen (words[i]));
    i += row ? taken : 1;
  }
  lexicon_clear (&lexicon);
  g_strfreev (words);
  return all && any;
}

/* The words by which a text names a time or a weather, and what they become.
 * Times follow each other as in the enumeration. */
static const gchar time_nouns[] =
    "dawn daybreak sunrise morning noon midday afternoon sunset sundown dusk "
    "evening twilight nightfall night midnight nighttime daytime";
static const gchar time_lights[] =
    "moonlight sunlight daylight starlight sunshine";
static const gchar weather_nouns[] =
    "rain storm thunderstorm snow snowfall fog mist wind breeze drizzle "
    "downpour blizzard sunshine";
static const gchar weather_adjectives[] =
    "rainy stormy snowy foggy misty windy cloudy sunny";

static const gchar *
reworded (SceneKind kind, guint value, const gchar *word)
{
  static const gchar *const nouns[N_TIMES] = {
      "", "dawn", "morning", "midday", "afternoon", "sunset", "dusk", "night"};
  static const gchar *const light[N_TIMES] = {"", "first light",
      "morning light", "daylight", "golden light", "evening light", "twilight",
      "moonlight"};
  static const gchar *const weather[N_WEATHERS] = {
      "", "sunshine", "wind", "clouds", "rain", "storm", "snow", "fog"};
  static const gchar *const adjectives[N_WEATHERS] = {
      "", "sunny", "windy", "cloudy", "rainy", "stormy", "snowy", "foggy"};
  static const gchar *const lit[N_TIMES] = {
      "", "dim", "sunlit", "sunlit", "sunlit", "glowing", "dim", "moonlit"};
  gsize n = strlen (word);

  if (kind == SCENE_TIME && has_word ("sunlit moonlit starlit", word, n))
    return lit[value % N_TIMES];
  if (kind == SCENE_TIME && has_word (time_nouns, word, n))
    return nouns[value % N_TIMES];
  if (kind == SCENE_TIME && has_word (time_lights, word, n))
    return light[value % N_TIMES];
  if (kind == SCENE_WEATHER && has_word (weather_nouns, word, n))
    return weather[value % N_WEATHERS];
  if (kind == SCENE_WEATHER && has_word (weather_adjectives, word, n))
    return adjectives[value % N_WEATHERS];
  return NULL;
}

gchar *
scene_reword (const gchar *text, SceneKind kind, guint value)
{
  GString *out = g_string_new (NULL);

  while (*text) {
    gsize n = 0;

    while (g_ascii_isalpha (text[n]))
      n++;
    if (n > 0) {
      gchar *word = g_ascii_strdown (text, n);
      const gchar *other;

      /* The hours that have a name of two words count as one. */
      if (has_word ("golden magic blue", word, n) &&
          g_ascii_strncasecmp (text + n, " hour", 5) == 0) {
        n += 5;
        g_free (word);
        word = g_strdup ("dusk");
      }
      other = reworded (kind, value, word);

      if (other && g_ascii_isupper (text[0])) {
        g_string_append_c (out, g_ascii_toupper (other[0]));
        g_string_append (out, other + 1);
      } else if (other) {
        g_string_append (out, other);
      } else {
        g_string_append_len (out, text, n);
      }
      g_free (word);
    } else {
      n = g_utf8_next_char (text) - text;
      g_string_append_len (out, text, n);
    }
    text += n;
  }
  return g_string_free (out, FALSE);
}
