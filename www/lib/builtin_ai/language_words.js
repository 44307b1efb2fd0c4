/**
 * This module holds frequent words of the languages that share a script, most of them such as no
 * text does without, and written down by hand. After a bar are the letters that not every
 * language of the script has.
 */

/** @type {Record<string, string>} */
export const WORDS = {
  en: `
    the of and to in is that it was for you on are with as be at this have from or by not but
    what all were we when your can there an which their if will each about how up out them then
    she many some so these would her like him into has more could no than been who now people my
    made over did down only way find use may long little very after words just where most know i
    am he they his us me good today tomorrow yesterday because think please thing want need
    through back much before right too means any same tell does another well still should here |`,
  fr: `
    le la les de des du un une et est en que qui dans pour pas sur au avec ce il elle je vous
    nous ne se plus par sont mais ou comme son sa ses cette ces été être avoir fait tout tous on
    leur leurs nos votre notre mon ma mes très bien aussi même si où quand sans deux aux après
    peut faire dit encore entre c'est j'ai n'est qu'il d'un d'une l'on ils elles était ont avait
    aujourd hui demain jour temps vie homme monde beaucoup toujours jamais rien moi donc alors
    bonjour merci voici voilà faut chez cela petit grand maison pourquoi parce |àâçéèêëîïôùûüœ`,
  de: `
    der die das und ist in den von zu mit sich des auf für nicht ein eine einen einem einer als
    auch es an werden aus er sie hat dass nach wird bei um am sind noch wie über so zum war
    haben nur oder aber vor zur bis mehr durch man sein wurde sei ich du wir ihr mir mich uns
    kann können muss will wenn dann schon sehr hier was wer wo warum weil heute morgen gestern
    gut immer wieder keine kein diese dieser dieses ihre ihren unser jahr zeit leben menschen
    zwischen gegen ohne unter viel viele machen gibt geht danke bitte |äöüß`,
  es: `
    el la los las de del y que en un una es por con para no se su sus al lo como más pero le ya
    o este esta estos sí porque entre cuando muy sin sobre también me hasta hay donde quien
    desde todo todos nos durante uno ni contra otros ese eso ante ellos esto mí antes algunos
    qué unos yo otro otras él tanto esa mucho quienes nada fue ser son era está están tiene
    tienen puede hacer hace había han he tu mi nosotros ella usted años vida tiempo día hoy
    mañana ayer gracias buenos siempre nunca mejor casa cómo dónde gente |áéíóúüñ`,
  it: `
    il lo la i gli le di del della dei delle dello e è che in un una per non con si da dal dalla
    al alla ai alle nel nella nei sono come più anche ma se ci ha hanno ho questo questa questi
    quello quella suo sua suoi loro io tu noi voi lui lei mi ti essere stato stata fare fatto
    dove quando chi cosa perché molto molti tutto tutti dopo prima sempre mai ancora ogni altro
    altri senza tra fra sul sulla oggi domani ieri grazie casa vita tempo anno anni giorno bene
    così già solo poi quindi può era degli negli gente |àèéìòù`,
  pt: `
    o a os as de do da dos das e que em por um uma é para com não no na nos nas se mais como mas
    ao à foi ele ela seu sua seus ou quando muito já eu também só pelo pela até isso entre era
    depois sem mesmo aos ter são está estão você nós meu minha tem têm ser há esse essa este
    esta eles elas muitos pode fazer faz onde quem porque hoje amanhã ontem obrigado bom sempre
    nunca ainda todo todos tudo outro outra vida tempo dia ano anos casa pessoas coisa então
    aqui lá num numa dele dela havia às |áâãàçéêíóôõú`,
  nl: `
    de het een en van in is dat op te zijn met voor niet aan er die als ook om ze maar door over
    bij dan nog uit naar heeft hebben had hij zij ik je jij we wij wat wordt worden werd kan
    kunnen moet zou mijn hun haar zo veel meer geen wel dit deze daar hier waar wie hoe omdat
    want tot toen nu al goed heel altijd nooit weer twee jaar tijd leven mensen dag vandaag
    morgen gisteren onder tussen zonder tegen gaan gaat komt maken huis bent ben was waren onze
    ons mij alle iets niets dank alstublieft |éëïöü`,
  sv: `
    och i att det som en på är av för med den till inte har de ett om han var men jag sig vi så
    kan man när år säger hon under också efter eller nu sin där vid mot ska skulle kommer ut får
    finns vara hade alla andra mycket än här då sedan över bara blir upp även vad få två vill ha
    många hur mer går du mig dig oss er min din våra deras dessa denna detta varför eftersom
    idag igår imorgon tack bra alltid aldrig människor hus tid liv dag från mellan utan kunde
    ingen något någon själv |åäö`,
  da: `
    og i at det er en til på som for de med han af den ikke der var et har jeg om du vi men sig
    så kan fra skal eller når ved hun også ud havde være vil op over bliver blev hvad da nu
    efter man alle andre meget her hvor kun mere skulle kunne ville noget nogle mig dig os jer
    min din vores deres denne dette disse hvorfor fordi dag går morgen tak godt altid aldrig
    mennesker hus tid liv år mellem uden under to ind sin hans hendes sådan selv måske lidt gør
    få |æøå`,
  no: `
    og i det er på som en til å av for at med de har ikke den han var et jeg om du vi men seg så
    kan fra skal eller når ved hun også ut hadde være vil opp over blir ble hva da nå etter man
    alle andre mye her hvor bare mer skulle kunne ville noe noen meg deg oss dere min din vår
    deres denne dette disse hvorfor fordi dag går morgen takk godt alltid aldri mennesker hus
    tid liv år mellom uten under to inn sin hans hennes slik selv kanskje litt gjør få enn |æøå`,
  fi: `
    ja on ei se että oli hän mutta ovat kun joka niin kuin myös tai jos sen olla minä sinä me te
    he mitä tämä tämän nyt vain voi jo sitten kaikki minun sinun hänen meidän mukaan ole olen
    ollut vielä hyvin paljon enemmän sekä jälkeen ennen kanssa ilman missä miksi koska tänään
    huomenna eilen kiitos hyvää aina koskaan ihmiset talo aika elämä päivä vuosi vuonna siitä
    siellä täällä jotka jonka joiden pitää pitäisi saa tulee haluan kuka nämä noin uusi hyvä
    mies nainen työ suomen kaupungin sitä tätä minulla |äö`,
  pl: `
    i w nie na się z do jest to że a o jak ale po co tak za od przez przy dla tego jego jej ich
    był była było są być może już tylko też lub czy gdy kiedy który która które których ten ta
    te tym tej ze we ja ty on ona my wy oni mnie mi ci nas was mam ma mają bardzo więcej bez
    między pod nad przed jeszcze zawsze nigdy wszystko wszyscy dlaczego ponieważ dzisiaj jutro
    wczoraj dziękuję dobrze dom czas życie dzień rok lat ludzie ludzi gdzie tutaj tam bo sobie
    jako oraz żeby można trzeba chcę |ąćęłńóśźż`,
  cs: `
    a v je se na že to s z do o i jsem jsou by ale jako za po který která které pro ve co tak si
    byl byla bylo být jeho její jejich při od také než už jen nebo když kde kdo proč protože ten
    ta ty tom tím této já on ona my vy oni mě mi nás vás mám má mají může velmi více bez mezi
    pod nad před ještě vždy nikdy všechno všichni dnes zítra včera děkuji dobře dům čas život
    den rok let lidé lidí tady tam jsme není nejsou bude budou aby podle svůj svou další první
    asi |áčďéěíňóřšťúůýž`,
  sk: `
    a v je sa na že to s z do o i som sú by ale ako za po ktorý ktorá ktoré pre vo čo tak si bol
    bola bolo byť jeho jej ich pri od tiež než už len alebo keď kde kto prečo pretože ten tá tie
    tom tým tejto ja ty on ona my vy oni ma mi nás vás mám má majú môže veľmi viac bez medzi pod
    nad pred ešte vždy nikdy všetko všetci dnes zajtra včera ďakujem dobre dom čas život deň rok
    rokov ľudia ľudí tu tam sme nie bude budú aby podľa svoj svoju ďalší prvý asi
    |áäčďéíĺľňóôŕšťúýž`,
  hu: `
    a az és hogy nem is egy van volt de ez meg csak már el mint még ha én te ő mi ti ők ki be le
    fel azt ezt vagy lehet lesz kell minden más nagyon több után előtt között alatt nélkül mert
    miért hol mikor aki ami amely akik amit ahol itt ott most ma holnap tegnap köszönöm jó jól
    mindig soha emberek ember ház idő élet nap év évek években szerint által felé neki nekem
    vagyok vannak voltak lenne igen sem sok kis nagy első két magyar ilyen olyan így úgy pedig
    tud akar |áéíóöőúüű`,
  ro: `
    și de la în a cu o un pe nu este că din care se mai pentru sunt au ca dar fost lui ei el ea
    noi voi eu tu am ai are să sau când unde cine ce cum fi fie prin după până între fără sub
    peste foarte mult mulți toate toți tot acest această acestea aceasta meu mea său sa lor
    nostru azi mâine ieri mulțumesc bine bun mereu niciodată oameni oamenii casă timp timpul
    viața viață zi an ani aici acolo pot poate trebuie vreau face fac avea era erau avut doar
    numai chiar decât deci |ăâîșțşţ`,
  tr: `
    ve bir bu da de için ile çok daha olan olarak gibi ne o ama kadar en var yok mi mı her ben
    sen biz siz onlar onun benim senin bizim sonra önce şey değil ki ise ya veya nasıl neden
    çünkü nerede zaman kim hangi bugün yarın dün teşekkür iyi güzel hiç insanlar insan ev hayat
    gün yıl yılında büyük küçük yeni ilk iki oldu oldum olduğu olduğunu edilen eden etmek ediyor
    yapmak yapan istiyorum gidiyorum geliyor vardır arasında üzerinde tarafından göre bana sana
    ona bunu şu böyle |çğıöşüâî`,
  id: `
    yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena tersebut
    bisa ada mereka lebih kata tahun sudah atau saat oleh menjadi orang telah adalah seperti
    sebagai bahwa dapat para harus namun kita dua satu masih hari hanya kami bagi lain anda aku
    kamu dia apa siapa mengapa bagaimana dimana kapan besok kemarin terima kasih baik selalu
    rumah waktu hidup sangat banyak tanpa antara sebelum setelah ingin pergi datang membuat
    punya sekali belum lagi semua setiap bukan jika maka |`,
  vi: `
    và của là có được trong cho không một các với những người đã này khi đến từ về như để ra
    cũng tôi bạn anh em chúng ta nó họ nhưng nhiều vào năm làm ở sẽ đang còn trên theo phải thì
    lại đó hơn nếu vì sao tại đâu ai gì ngày hôm nay mai qua cảm ơn tốt luôn bao giờ nhà thời
    gian cuộc sống rất sau trước giữa muốn đi biết nói thấy mới hai lớn nhỏ việt nam nước
    |ăâđêôơưáàảãạắằẳẵặấầẩẫậéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ`,
  ca: `
    el la els les de del dels i que en un una és per amb no es seu seva seus al als com més però
    li ja o aquest aquesta aquests això perquè entre quan molt sense sobre també em fins hi ha
    on qui des tot tots ens durant ni contra altres ell ella nosaltres vosaltres ells jo tu són
    era està estan té tenen pot poden fer fa havia han he meva meu nostra any anys vida temps
    dia avui demà ahir gràcies bon sempre mai millor casa gent molts aquí allà ser estat va van
    l'home d'un d'una dins després abans |àçèéíïòóúü`,
  hr: `
    i u je se na da su za od s a o iz koji koja koje kao ali bi što sam si smo ste nije nisu
    biti bio bila bilo ili po do kad gdje tko zašto jer ovaj ova ovo taj ta to njegov njezin
    njihov ja ti on ona mi vi oni mene meni nas vas imam ima imaju može mogu vrlo više bez
    između pod nad prije poslije još uvijek nikad sve svi danas sutra jučer hvala dobro kuća
    vrijeme život dan godina godine ljudi ovdje tamo samo već će ću također nego treba želim
    lijepo dio |čćđšž`,
  sl: `
    in je v na se da so za ki z s pa ne bi kot od tudi ali pri po iz do o sem si smo ste ni niso
    biti bil bila bilo če ko kje kdo zakaj ker ta to ti tega njegov njen njihov jaz on ona mi vi
    oni mene meni nas vas imam ima imajo lahko zelo več brez med pod nad pred še vedno nikoli
    vse vsi danes jutri včeraj hvala dobro hiša čas življenje dan leto leta let ljudje ljudi
    tukaj tam samo že bo bodo bom ter vendar kar moram hočem kaj |čšž`,
  et: `
    ja on ei et see oli ta ka kui ning aga mis kes või oma ma sa me te nad mind mul sul tema
    meie teie nende seda selle selles olla olen oled oleme oleks olnud siis veel juba väga palju
    rohkem pärast enne koos ilma kus miks sest täna homme eile aitäh tänan hea hästi alati
    kunagi inimesed inimene maja aeg elu päev aasta aastal saab peab tahan läheb tuleb kõik
    mitte ainult nii nagu üks kaks suur väike uus eesti tartu kuid vahel üle alla sama |äöõüšž`,
  lt: `
    ir yra į kad iš su tai kaip buvo ne per o bet už ar nuo apie tik jau dar po prie arba jo jos
    jų mano tavo mūsų jūsų aš tu jis ji mes jūs jie mane man mus kuris kuri kurie kurį būti esu
    esi esame labai daug daugiau be tarp prieš kai kur kodėl nes šiandien rytoj vakar ačiū gerai
    visada niekada žmonės žmonių namas laikas gyvenimas diena metai metų metais viskas visi gali
    reikia noriu eina turi šis ši tas ta taip pat čia ten lietuvos |ąčęėįšųūž`,
  lv: `
    un ir ka no uz ar par bija kas tas tā to vai bet nav kā pēc pie līdz arī es tu viņš viņa mēs
    jūs viņi mani man mums mans tavs mūsu jūsu viņu kurš kura kuri kuru būt esmu esi esam ļoti
    daudz vairāk bez starp pirms kad kur kāpēc jo šodien rīt vakar paldies labi vienmēr nekad
    cilvēki cilvēku māja laiks dzīve diena gads gadu gados viss visi var vajag gribu iet nāk šis
    šī tikai jau vēl gan ja tik savu latvijas rīgas tiek bijis lai |āčēģīķļņšūž`,
  sq: `
    dhe e të në i një për me nga se që është më nuk ka por si janë ishte ky kjo këto këta ai ajo
    unë ti ne ju ata ato mua tij saj tyre mund do duhet kam kemi kanë shumë pa midis para pas
    kur ku pse sepse sot nesër dje faleminderit mirë gjithmonë kurrë njerëzit njerëz shtëpi koha
    jeta dita viti vite vetëm edhe ose çdo gjithë këtu atje dua shkoj bëj bëhet cili cila kush
    çfarë asnjë tani deri nën mbi tek shqip |çë`,
  ru: `
    и в не на я что он с это а как то все она так его но да ты к у же вы за бы по только ее мне
    было вот от меня еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был
    была были него до вас нибудь опять уж вам ведь там потом себя ничего ей может они тут где
    есть надо для мы тебя их чем сам чтоб без будто чего раз тоже себе под будет сегодня завтра
    вчера спасибо хорошо всегда никогда люди дом время жизнь день год этот эта эти который очень
    почему потому хочу |ёыэъйщ`,
  uk: `
    і в не на я що він з це а як то все вона так його але та ти до у ж ви за би по тільки її
    мені було від мене ще немає про із йому тепер коли навіть якщо вже або ні бути був була були
    нього вас там потім себе нічого їй може вони тут де є треба для ми тебе їх ніж сам щоб без
    чого раз теж під буде сьогодні завтра вчора дякую добре завжди ніколи люди дім час життя
    день рік цей ця ці який яка які дуже чому тому хочу |іїєґйщ`,
  bg: `
    и на е да се в за от не с че са по до а но като си има той тя то те аз ти ние вие го му я им
    ги това този тази тези който която което които още вече само много повече без между под над
    преди след когато къде кой защо защото днес утре вчера благодаря добре винаги никога хора
    хората къща време живот ден година години съм сме сте бях беше бяха ще може трябва искам или
    ако как какво тук там най при един една едно във със |ъщй`,
  sr: `
    и у је се на да су за од са а о из који која које као али би што сам си смо сте није нису
    бити био била било или по до кад где ко зашто јер овај ова ово тај та то његов њен њихов ја
    ти он она ми ви они мене мени нас вас имам има имају може могу врло више без између под над
    пре после још увек никад све сви данас сутра јуче хвала добро кућа време живот дан година
    године људи овде тамо само већ ће ћу такође него треба желим |ђјљњћџ`,
  be: `
    і ў не на я што ён з гэта а як то усё яна так яго але ды ты да у ж вы за бы па толькі яе мне
    было ад мяне яшчэ няма пра яму цяпер калі нават ужо або ні быць быў была былі вас там потым
    сябе нічога можа яны тут дзе ёсць трэба для мы цябе іх чым сам каб без раз таксама пад будзе
    сёння заўтра ўчора дзякуй добра заўсёды ніколі людзі дом час жыццё дзень год гэты якія які
    вельмі чаму таму хачу |ўіёыэй`,
  mk: `
    и на е да се во за од не со дека по до а но како си има тој таа тоа тие јас ти ние вие го му
    ја им ги ова овој оваа овие кој која кое кои уште веќе само многу повеќе без меѓу под над
    пред после кога каде зошто затоа бидејќи денес утре вчера благодарам добро секогаш никогаш
    луѓе луѓето куќа време живот ден година години сум сме сте бев беше беа ќе може треба сакам
    или ако што овде таму при еден една едно сите |ѓѕјљњќџ`,
  ar: `
    في من على إلى أن هذا هذه التي الذي كان كانت ما لا مع عن هو هي قد كل بعد أو لم بين ذلك يوم ثم
    عند حتى إذا نحن أنا أنت هم لقد غير قبل اليوم غدا أمس شكرا كيف أين متى لماذا لأن كثيرا جدا
    البيت الوقت الحياة الناس سنة عام خلال منذ حول يكون أي كما لكن إن ليس هناك هنا أريد يمكن كنت
    العالم مدينة كبير جديد |ةىأإؤئ`,
  fa: `
    و در به از که این را با است برای آن یک می خود تا بر هم نیز شد شده بود دارد کرد کند اما یا هر
    ما من تو او شما آنها چه کجا چرا زیرا امروز فردا دیروز ممنون خوب خیلی همیشه هرگز مردم خانه
    زمان زندگی روز سال های ها ای باید می‌شود می‌کند می‌خواهم هستم هستند نیست بین بدون پس پیش اگر
    چون همه دو بزرگ باشد ایران |پچژگکی`,
  ur: `
    کے کی میں اور ہے سے کا کو کہ اس نے پر یہ بھی ایک وہ ہیں نہیں تھا تو جو کر ہو گیا ان لیے جب
    تک کیا اپنے تھے تھی ہم تم آپ مجھے ہمارے کہاں کیوں کیونکہ آج کل شکریہ اچھا بہت ہمیشہ کبھی لوگ
    گھر وقت زندگی دن سال بعد پہلے بغیر درمیان چاہتا چاہیے رہا رہے ہوں والے والا کوئی سب بڑا
    پاکستان |ٹڈڑںھہےپچگ`,
  hi: `
    के का की है में से को और यह पर ने हैं कि एक भी नहीं हो इस तो था थी थे कर लिए वह जो ही या
    अपने हम मैं तुम आप मुझे हमारे कहाँ क्यों क्योंकि आज कल धन्यवाद अच्छा बहुत हमेशा कभी लोग घर
    समय जीवन दिन साल बाद पहले बिना बीच चाहता चाहिए रहा रहे हूँ वाले कोई सब बड़ा गया साथ तक जब
    कुछ मेरा |ँड़ढ़`,
  mr: `
    आहे आणि या व हे ते मध्ये च्या ला नाही होते होता होती आहेत तो ती मी तू आम्ही तुम्ही त्या
    त्याच्या एक की पण किंवा काय कुठे का कारण आज उद्या काल धन्यवाद चांगला चांगले खूप नेहमी कधीही
    लोक घर वेळ जीवन दिवस वर्ष नंतर आधी शिवाय पाहिजे असे असा असून करून केले केला साठी माझे माझा
    आपल्या सर्व मोठे |ळॅॉ`,
  ne: `
    छ र को मा लागि यो पनि हो छन् थियो थिए गर्न गरेको भने एक हरू ले बाट म तिमी हामी तपाईं उनी
    उहाँ के कहाँ किन किनभने आज भोलि हिजो धन्यवाद राम्रो धेरै सधैं कहिल्यै मानिस मानिसहरू घर समय
    जीवन दिन वर्ष पछि अघि बिना बीच चाहन्छु पर्छ गर्छ गरे भएको भयो हुन्छ सबै ठूलो नेपाल नेपाली
    मेरो |ँ`,
};
