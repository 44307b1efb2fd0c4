/**
 * This module knows mistakes that are mistakes nearly everywhere: it finds them without a model,
 * which then only has to agree.
 */
import { diff } from './diff.js';

/** @import { Edit } from './diff.js' */
/** @import { Language } from './language.js' */

/** @typedef {[RegExp, string | ((found: string, ...groups: string[]) => string)]} Rule */

/** @param {string} word */
const capital = (word) => word[0].toUpperCase() + word.slice(1);

/**
 * Returns a rule that writes words as a list has them: `tres=très`.
 *
 * @param {string} list
 * @returns {Rule}
 */
function words(list) {
  const pairs = new Map(
    list.split(' ').map((pair) => /** @type {[string, string]} */ (pair.split('='))),
  );
  return [
    new RegExp(`(?<![\\p{L}'’-])(?:${[...pairs.keys()].join('|')})(?![\\p{L}'’-])`, 'giu'),
    (found) => {
      const right = pairs.get(found.toLowerCase()) ?? found;
      return found[0] === found[0].toLowerCase() ? right : capital(right);
    },
  ];
}

/**
 * Returns a rule that capitalises words.
 *
 * @param {string} list
 * @returns {Rule}
 */
function capitals(list) {
  return [
    new RegExp(`(?<![\\p{L}'’-])(?:${list.replaceAll(' ', '|')})(?![\\p{L}-])`, 'gu'),
    capital,
  ];
}

/** @type {Rule[]} */
const ALL = [[/,(?=\p{L})/gu, ', ']];

/** French has a space before a colon and other high signs. @type {Rule} */
const SPACE = [/(?<=[\p{L}\p{N}]) +(?=[,.;!?](?:\s|$))/gu, ''];

/** After these no comma stands before a German subordinate clause. */
const JOINED =
  'und|oder|so|als|nur|auch|selbst|ohne|außer|denn|aber|bis|je|vor|nicht|eben|gerade|immer|erst|' +
  'schon';

const COMPARATIVES =
  '(?:more|less) \\p{Ll}+|better|worse|\\p{Ll}{2,}ier|' +
  '(?:high|low|fast|slow|long|short|old|young|great|small|strong|cheap)er';

/** @type {Record<Language, Rule[]>} */
const RULES = {
  en: [
    SPACE,
    [/\b([Aa]) (?=[aeio](?!ne?\b|nce|ne-|u))(?!eu|uni)/g, '$1n '],
    [/\b([Aa])n (?=[b-df-gj-np-tv-z])/g, '$1 '],
    [/\b([Aa]) (?=(?:hour|honest|honou?r|heir))/g, '$1n '],
    [/\b(should|would|could|must|might) of\b/g, '$1 have'],
    [/(?<![\p{L}'’.-])i(?=[ ,]|['’](?:m|ve|d|ll)\b)/gu, 'I'],
    [new RegExp(`\\b(${COMPARATIVES}) then\\b`, 'gu'), '$1 than'],
    [/\b(do|does|did|is|are|was|were|has|have|had|would|should|could)nt\b/g, "$1n't"],
    words(
      "alot=a\u00a0lot cant=can't wont=won't im=I'm ive=I've thats=that's whats=what's " +
        "youre=you're theyre=they're weve=we've",
    ),
    capitals(
      'monday tuesday wednesday thursday friday saturday sunday january february april june july ' +
        'september october november december english french german spanish italian christmas',
    ),
  ],
  es: [
    SPACE,
    [/(\p{L}{2}[cs])ion(?!\p{L})/gu, '$1ión'],
    words(
      'tambien=también despues=después asi=así aqui=aquí alli=allí ademas=además segun=según ' +
        'algun=algún ningun=ningún jamas=jamás todavia=todavía dificil=difícil facil=fácil ' +
        'telefono=teléfono numero=número dia=día dias=días musica=música ' +
        'pagina=página ultimo=último ultima=última rapido=rápido rapida=rápida proximo=próximo ' +
        'proxima=próxima estan=están habia=había tenia=tenía ojala=ojalá cafe=café ' +
        'miercoles=miércoles sabado=sábado medico=médico',
    ),
  ],
  de: [
    SPACE,
    [
      new RegExp(
        `(?<=\\p{L})(?<!(?:^|\\s)(?:${JOINED})) (?=(?:dass|weil|obwohl|ob|damit|nachdem|wenn)\\s)`,
        'giu',
      ),
      ', ',
    ],
    capitals(
      'montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz april mai ' +
        'juni juli august september oktober november dezember',
    ),
  ],
  fr: [
    [/(?<=[\p{L}\p{N}]) +(?=[,.](?:\s|$))/gu, ''],
    words(
      'ca=ça tres=très deja=déjà apres=après meme=même etre=être reponse=réponse ' +
        'probleme=problème ' +
        'voila=voilà bientot=bientôt peut-etre=peut-être ecole=école etait=était ete=été ' +
        'difference=différence different=différent preferer=préférer telephone=téléphone ' +
        'numero=numéro general=général pere=père mere=mère frere=frère',
    ),
  ],
};

/** What a question or a cry begins with in Spanish. @type {Rule[]} */
const OPENINGS = [
  [/^(?=[^¿¡]*\?\W*$)/u, '¿'],
  [/^(?=[^¿¡]*!\W*$)/u, '¡'],
];

/**
 * Returns the edits that mend such mistakes, each by itself.
 *
 * @param {string} sentence
 * @param {Language} language
 * @param {boolean} closed whether the sentence has a sign at its end
 * @returns {Edit[]}
 */
export function ruleEdits(sentence, language, closed) {
  const rules = [...ALL, ...RULES[language], ...(language === 'es' ? OPENINGS : [])];
  const edits = rules.flatMap(([pattern, to]) =>
    diff(
      sentence,
      // The one overload takes a string, the other a function.
      sentence.replace(pattern, /** @type {any} */ (to)).replace(/\u00a0/g, ' '),
    ),
  );
  // Chats may begin small; what ends with a sign may not.
  if (closed && /^\p{Ll}\p{Ll}*\s/u.test(sentence))
    edits.push(...diff(sentence, capital(sentence)));
  return edits;
}
