/** This module guesses which language a text is in, by its most frequent words. */

/** @typedef {'en' | 'es' | 'de' | 'fr'} Language */

/** @type {Record<Language, Set<string>>} */
const FREQUENT = {
  en: words(
    'the of and to in is it you that was for on are with as his they be at this have from or had ' +
      'by but not what all were we when your can there an each which she do how their if will ' +
      "about out then them these so some her would him has i'm it's don't my i me he am did does " +
      'could should been our us who where why please',
  ),
  es: words(
    'el la los las de que y en un una por con no se su para es al lo como más pero sus le ya o ' +
      'este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde ' +
      'todo nos durante todos uno les ni ese eso mi qué yo tu te si ha han ayer hoy está son del ' +
      'fue era nuestra nuestro puedes tengo',
  ),
  de: words(
    'der die und den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an ' +
      'werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so ' +
      'zum war haben nur oder aber vor zur bis mehr durch ich du wir ihr mein meine mir mich ' +
      'dein dir bitte habe bin kann wenn ihre ihren ins heute gestern schon',
  ),
  fr: words(
    'le la les de des un une et est en que qui dans pour pas plus par sur au avec ce il elle ' +
      'sont nous vous je tu ne se son sa ses mon ma mes ou mais comme cette ces aux leur leurs ' +
      'était été être ont ai as a à du y si tout même très bien fait on où hier demain votre ' +
      "vos notre nos j'ai c'est qu'il d'un d'une",
  ),
};

/** Letters that only one of the languages has. @type {[RegExp, Language][]} */
const LETTERS = [
  [/[ñ¿¡]/gu, 'es'],
  [/[äöüß]/giu, 'de'],
  [/[èêçàœùû]/giu, 'fr'],
];

/** A language must lead by this number of words over the next. */
const MIN_LEAD = 1;

/** @param {string} list */
function words(list) {
  return new Set(list.split(' '));
}

/**
 * Returns the language of a text, or undefined where it is none of the four or its words do not
 * tell.
 *
 * @param {string} text
 * @returns {Language | undefined}
 */
export function detectLanguage(text) {
  const found = text.toLowerCase().match(/[\p{L}\p{M}]+(?:['’][\p{L}]+)*/gu) ?? [];
  const counts = /** @type {[Language, Set<string>][]} */ (Object.entries(FREQUENT)).map(
    ([language, frequent]) => {
      let count = 0;
      for (const word of found) {
        const plain = word.replace('’', "'");
        // French elides: "l'heure", "qu'il".
        if (frequent.has(plain) || frequent.has(plain.split("'")[0])) count += 1;
      }
      for (const [letters, its] of LETTERS)
        if (its === language) count += 2 * (text.match(letters)?.length ?? 0);
      return /** @type {const} */ ([language, count]);
    },
  );
  const [first, second] = counts.sort((one, other) => other[1] - one[1]);
  return first[1] - second[1] >= MIN_LEAD ? first[0] : undefined;
}
