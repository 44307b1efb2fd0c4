/** This module lists the languages that `LanguageDetector` knows, by their BCP 47 tags. */

/** Each of these scripts is that of one of the languages. */
export const SCRIPTS = /** @type {const} */ ({
  Greek: 'el',
  Hebrew: 'he',
  Bengali: 'bn',
  Tamil: 'ta',
  Telugu: 'te',
  Kannada: 'kn',
  Malayalam: 'ml',
  Gujarati: 'gu',
  Gurmukhi: 'pa',
  Sinhala: 'si',
  Thai: 'th',
  Lao: 'lo',
  Khmer: 'km',
  Myanmar: 'my',
  Georgian: 'ka',
  Armenian: 'hy',
  Ethiopic: 'am',
  Hangul: 'ko',
});

/** The languages of these scripts are told apart by their words. */
export const SHARED_SCRIPTS = /** @type {const} */ ({
  Latin: [
    ...['en', 'fr', 'de', 'es', 'it', 'pt', 'nl', 'sv', 'da', 'no', 'fi', 'pl', 'cs', 'sk'],
    ...['hu', 'ro', 'tr', 'id', 'vi', 'ca', 'hr', 'sl', 'et', 'lt', 'lv', 'sq'],
  ],
  Cyrillic: ['ru', 'uk', 'bg', 'sr', 'be', 'mk'],
  Arabic: ['ar', 'fa', 'ur'],
  Devanagari: ['hi', 'mr', 'ne'],
});

/** Every language that can be detected. */
export const DETECTED = [
  'ja',
  'zh',
  ...Object.values(SCRIPTS),
  ...Object.values(SHARED_SCRIPTS).flat(),
];
